package collector

import (
	"errors"
	"os"
	"path/filepath"
)

// replaceFile writes a file in a folder of the same file system, and then puts it in
// its place. renameio does not support Windows, whose renames are not atomic.
func replaceFile(path, folder string, contents []byte) error {
	temporary := filepath.Join(folder, filepath.Base(path))
	file, err := os.OpenFile(temporary, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, stateMode)
	if err != nil {
		return err
	}
	_, err = file.Write(contents)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}
