// Command myelin is the server and the tools of its operator. See `myelin help`.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/myelin-health/myelin/config"
	"github.com/myelin-health/myelin/demo"
	"github.com/myelin-health/myelin/server"
)

const usage = `myelin is a secure messaging server for hospitals.

  myelin serve  [--config FILE]          run the server
  myelin demo   [--dir DIR]              run it with an invented hospital, on this machine only
  myelin config [--config FILE]          print the effective configuration
  myelin config --example                print a configuration file with every key explained
  myelin keys   [--config FILE] rotate   replace the key-encryption key
  myelin audit  [--config FILE] verify   prove that the audit log is complete and unaltered
  myelin audit  [--config FILE] search   find entries: -who USER, -room ROOM, -act ACT, -from TIME, …
  myelin audit  [--config FILE] export   write every entry as a JSON line
  myelin version

Every key of the configuration can be set in the environment too:
server_name is MYELIN_SERVER_NAME.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "myelin:", err)
		os.Exit(1)
	}
}

// run is the command without the process around it.
func run(ctx context.Context, args, environ []string, out, errOut io.Writer) error {
	if len(args) == 0 {
		args = []string{"help"}
	}
	command, args := args[0], args[1:]
	flags := flag.NewFlagSet("myelin "+command, flag.ContinueOnError)
	flags.SetOutput(errOut)
	file := flags.String("config", "", "configuration file (TOML)")
	switch command {
	case "serve":
		return withConfig(flags, args, file, environ, func(c *config.Config, rest []string) error {
			if len(rest) > 0 {
				return fmt.Errorf("%q is not expected after serve", rest[0])
			}
			return serve(ctx, c, out, errOut)
		})
	case "demo":
		return runDemo(ctx, flags, args, environ, out, errOut)
	case "config":
		return printConfig(flags, args, file, environ, out)
	case "keys":
		return withConfig(flags, args, file, environ, func(c *config.Config, rest []string) error { return server.Keys(ctx, c, out, rest) })
	case "audit":
		return withConfig(flags, args, file, environ, func(c *config.Config, rest []string) error { return server.Audit(ctx, c, out, rest) })
	case "version":
		_, err := fmt.Fprintln(out, server.Version())
		return err
	case "help", "-h", "--help":
		_, err := io.WriteString(out, usage)
		return err
	}
	return fmt.Errorf("%q is not a command; see: myelin help", command)
}

// withConfig parses the flags, reads the configuration and hands it to f
// together with the arguments behind the flags.
func withConfig(flags *flag.FlagSet, args []string, file *string, environ []string, f func(*config.Config, []string) error) error {
	if err := flags.Parse(args); err != nil {
		return err
	}
	c, err := config.Load(*file, environ)
	if err != nil {
		return err
	}
	return f(c, flags.Args())
}

func serve(ctx context.Context, c *config.Config, out, errOut io.Writer) error {
	s, err := server.Start(ctx, c, server.Options{Log: logger(c, errOut)})
	if err != nil {
		return err
	}
	for _, address := range s.Addresses() {
		fmt.Fprintln(out, "Myelin serves", c.ServerName, "at", address)
	}
	return s.Wait(ctx)
}

func logger(c *config.Config, w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		level = slog.LevelInfo
	}
	options := &slog.HandlerOptions{Level: level}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

func printConfig(flags *flag.FlagSet, args []string, file *string, environ []string, out io.Writer) error {
	example := flags.Bool("example", false, "print a file with every key explained")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *example {
		return config.Example(out)
	}
	c, err := config.Load(*file, environ)
	if err != nil {
		return err
	}
	return c.Effective(out)
}

// runDemo serves an invented hospital on loopback, with a data folder and a
// registration secret of its own.
func runDemo(ctx context.Context, flags *flag.FlagSet, args, environ []string, out, errOut io.Writer) error {
	dir := flags.String("dir", "demo-data", "folder of the demo hospital; delete it to start afresh")
	listen := flags.String("listen", "127.0.0.1:8008", "address and port")
	if err := flags.Parse(args); err != nil {
		return err
	}
	settings := append(environ,
		"MYELIN_DATA_DIR="+filepath.Join(*dir, "server"), "MYELIN_LISTEN_HTTP="+*listen,
		"MYELIN_REGISTRATION=shared_secret", "MYELIN_REGISTRATION_SHARED_SECRET="+rand.Text())
	c, err := config.Load("", settings)
	if err != nil {
		return err
	}
	if !config.Loopback(c.ListenHTTP) {
		return fmt.Errorf("--listen %s: the demo hospital has sign-ins that everybody sees; only a loopback address is allowed", *listen)
	}
	hospital := demo.New()
	s, err := server.Start(ctx, c, server.Options{Log: logger(c, errOut), Demo: hospital})
	if err != nil {
		return err
	}
	address := s.Addresses()[0]
	if err := hospital.Fill(ctx, *dir, address, c.ServerName, c.RegistrationSharedSecret); err != nil {
		return errors.Join(err, s.Close())
	}
	if err := hospital.Print(out, address); err != nil {
		return errors.Join(err, s.Close())
	}
	return s.Wait(ctx)
}
