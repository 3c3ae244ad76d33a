package media

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// files is a folder of files that never change once they are there. A file is written under "incoming"
// and moved to its place, "ab/abcdef…", when it is complete and on disk.
type files struct {
	dir  string
	sync func(*os.File) error // makes a file or folder survive power loss
}

const incoming = "incoming"

func openFiles(dir string, sync func(*os.File) error) (*files, error) {
	f := &files{dir: dir, sync: sync}
	if err := os.RemoveAll(filepath.Join(dir, incoming)); err != nil {
		return nil, fmt.Errorf("remove unfinished uploads: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(dir, incoming), 0o700); err != nil {
		return nil, fmt.Errorf("make media folder: %w", err)
	}
	for _, folder := range []string{dir, filepath.Dir(dir)} {
		if err := f.syncFolder(folder); err != nil {
			return nil, err
		}
	}
	return f, nil
}

func (f *files) syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open media folder: %w", err)
	}
	if err := errors.Join(f.sync(folder), folder.Close()); err != nil {
		return fmt.Errorf("sync media folder: %w", err)
	}
	return nil
}

// path is the place of a file. name comes from newID or from a row.
func (f *files) path(name string) string { return filepath.Join(f.dir, name[:2], name) }

// create returns a new file for writing. It is removed by discard or moved to its place by keep.
func (f *files) create() (*os.File, error) {
	file, err := os.OpenFile(filepath.Join(f.dir, incoming, newID()), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("create file: %w", err)
	}
	return file, nil
}

// discard closes and removes a file from create.
func (f *files) discard(file *os.File) {
	// What cannot be removed now is removed at the next start.
	_ = file.Close()
	_ = os.Remove(file.Name())
}

// keep closes a file and moves it to its place. When it returns, the file survives power loss if durable
// is set: its content was synced before it was moved, and its folder after.
func (f *files) keep(file *os.File, name string, durable bool) error {
	if durable {
		if err := f.sync(file); err != nil {
			f.discard(file)
			return fmt.Errorf("sync file: %w", err)
		}
	}
	if err := file.Close(); err != nil {
		f.discard(file)
		return fmt.Errorf("close file: %w", err)
	}
	place := f.path(name)
	if err := f.makeFolder(filepath.Dir(place)); err != nil {
		f.discard(file)
		return err
	}
	if err := os.Rename(file.Name(), place); err != nil {
		f.discard(file)
		return fmt.Errorf("move file to its place: %w", err)
	}
	if !durable {
		return nil
	}
	return f.syncFolder(filepath.Dir(place))
}

func (f *files) makeFolder(path string) error {
	err := os.Mkdir(path, 0o700)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("make media folder: %w", err)
	}
	return f.syncFolder(f.dir)
}

func (f *files) open(name string) (file *os.File, size int64, err error) {
	file, err = os.Open(f.path(name))
	if err != nil {
		return nil, 0, fmt.Errorf("open file: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, 0, errors.Join(fmt.Errorf("size of file: %w", err), file.Close())
	}
	return file, info.Size(), nil
}

// remove removes a file and what was derived from it ("name.…").
func (f *files) remove(name string) error {
	derived, err := filepath.Glob(f.path(name) + ".*")
	if err != nil {
		return fmt.Errorf("list files: %w", err)
	}
	for _, path := range append(derived, f.path(name)) {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove file: %w", err)
		}
	}
	return nil
}

// each calls use with the names of the files of one folder at a time, derived files left out, that were
// last changed before a time.
func (f *files) each(before time.Time, use func(names []string) error) error {
	folders, err := os.ReadDir(f.dir)
	if err != nil {
		return fmt.Errorf("list media folder: %w", err)
	}
	for _, folder := range folders {
		if !folder.IsDir() || folder.Name() == incoming {
			continue
		}
		entries, err := os.ReadDir(filepath.Join(f.dir, folder.Name()))
		if err != nil {
			return fmt.Errorf("list media folder: %w", err)
		}
		var names []string
		for _, e := range entries {
			info, err := e.Info()
			if err == nil && info.ModTime().Before(before) && !strings.Contains(e.Name(), ".") {
				names = append(names, e.Name())
			}
		}
		if len(names) == 0 {
			continue
		}
		if err := use(names); err != nil {
			return err
		}
	}
	return nil
}
