package seal

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// Command runs "myelin keys …" with the arguments that follow "keys" and writes the answer to w.
func Command(ctx context.Context, o Options, w io.Writer, args []string) error {
	if len(args) != 1 || args[0] != "rotate" {
		return errors.New("usage: myelin keys rotate")
	}
	k, err := Open(ctx, o)
	if err != nil {
		return err
	}
	n, err := k.Rotate(ctx)
	if err := errors.Join(err, k.Close()); err != nil {
		return err
	}
	fmt.Fprintf(w, "The master key was replaced; %d data keys were rewrapped.\n", n)
	if o.MasterKey != "" {
		fmt.Fprintln(w, "The previous master key is no longer needed: remove MYELIN_MASTER_KEY_PREVIOUS.")
	} else {
		fmt.Fprintln(w, "Include the new master.key in the backup of the keys.")
	}
	return nil
}
