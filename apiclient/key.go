package apiclient

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"runtime"
	"strings"
	"sync"
)

const maxKeyFile = 4 << 10

// Key is the account's API key. If it comes from a file, the file is read again
// for each request, so that a rotated key takes effect at once. If the file cannot
// be read, the last key is used. A Key is safe for concurrent use.
type Key struct {
	path string
	warn func(error)

	mu     sync.Mutex
	value  string
	failed bool
	open   bool // other users could access the file when it was last read
}

// KeySource says where the key comes from: a file of at most 4 KiB, or else a
// value. White space around it, and a byte order mark before it, are ignored.
type KeySource struct {
	File  string
	Value string      // used if File is ""
	Warn  func(error) // called once when the file can no longer be read, and once when others may access it; may be nil
}

// Errors for a missing or malformed key. None of them quotes it.
var (
	ErrNoKey       = errors.New("no API key")
	ErrKeyInQuotes = errors.New("the API key is written in quotes: leave them out")
	ErrKeyAssigned = errors.New("the API key is written as an assignment: leave out its name and the equals sign")
)

// Open reads the key. It returns ErrNoKey if there is neither a file nor a value,
// and other errors if the file cannot be read or the key is not valid in an HTTP
// header.
func (s KeySource) Open() (*Key, error) {
	k := &Key{path: s.File, warn: s.Warn}
	if s.File == "" && s.Value == "" {
		return nil, ErrNoKey
	}
	if s.File == "" {
		value, err := cleanKey(s.Value)
		if err != nil {
			return nil, err
		}
		k.value = value
		return k, nil
	}
	warning, err := k.read()
	if err != nil {
		return nil, err
	}
	k.report(warning)
	return k, nil
}

// Value returns the current key.
func (k *Key) Value() string {
	value, warning := k.current()
	k.report(warning) // without the mutex, since warn may call Value
	return value
}

func (k *Key) report(warning error) {
	if warning != nil && k.warn != nil {
		k.warn(warning)
	}
}

// current reads the key's file again. The warning is nil if there is nothing to
// warn about.
func (k *Key) current() (value string, warning error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.path == "" {
		return k.value, nil
	}
	failed := k.failed
	warning, err := k.read()
	k.failed = err != nil
	if err != nil && !failed {
		warning = fmt.Errorf("keeping the last API key: %w", err)
	}
	return k.value, warning
}

// read reads the file. It returns a warning if other users may access the file,
// unless that was already so at the previous read.
func (k *Key) read() (warning, err error) {
	value, mode, err := readKey(k.path)
	if err != nil {
		return nil, err
	}
	k.value = value
	open := openToOthers(mode)
	if open && !k.open {
		warning = fmt.Errorf("mode %04o of the key file %s lets every user of the host read or replace the API key: "+
			"run chmod o= on it, or set defaultMode: 0440 and fsGroup for a Kubernetes secret", mode.Perm(), k.path)
	}
	k.open = open
	return warning, nil
}

// openToOthers reports whether users who neither own a file nor are in its group
// may read or write it. Access by the group is fine, because systemd and
// Kubernetes provide secrets that way. On Windows, the mode says nothing about it.
func openToOthers(mode fs.FileMode) bool {
	return runtime.GOOS != "windows" && mode.Perm()&0o006 != 0
}

func readKey(path string) (string, fs.FileMode, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", 0, fmt.Errorf("read the key file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return "", 0, fmt.Errorf("read the key file %s: it is not a regular file, reading it might block forever", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", 0, fmt.Errorf("read the key file: %w", err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err != nil {
		return "", 0, fmt.Errorf("read the key file: %w", err)
	}
	if len(raw) > maxKeyFile {
		return "", 0, fmt.Errorf("read the key file %s: it is over 4 KiB, too long for a key", path)
	}
	value, err := cleanKey(string(raw))
	if err != nil {
		return "", 0, fmt.Errorf("read the key file %s: %w", path, err)
	}
	return value, info.Mode(), nil
}

// assignment matches the start of an assignment, as in a shell script or an env
// file. Equals signs also occur in Base64, but only at the end, so another
// character has to follow.
var assignment = regexp.MustCompile(`^(export\s+)?[A-Z_][A-Z0-9_]+\s*=\s*[^=]`)

func cleanKey(raw string) (string, error) {
	value := strings.TrimSpace(strings.TrimPrefix(raw, byteOrderMark)) // which some editors write, and none shows
	switch {
	case value == "":
		return "", errors.New("the API key is empty")
	case len(value) > maxKeyFile:
		return "", errors.New("the API key is over 4 KiB")
	case assignment.MatchString(value):
		return "", ErrKeyAssigned
	case strings.Trim(value, `"'`) != value:
		return "", ErrKeyInQuotes
	case strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "", errors.New("the API key must be one word of printable ASCII")
	}
	return value, nil
}
