//go:build !windows

package collector

import "github.com/google/renameio/v2"

// replaceFile writes a file in a folder of the same file system, and then puts it in
// its place, so that there is the old file or the new one at any time.
func replaceFile(path, folder string, contents []byte) error {
	return renameio.WriteFile(path, contents, stateMode, renameio.WithTempDir(folder))
}
