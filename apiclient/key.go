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

// Key is the account's API key. One from a file is read again at each request,
// so that a rotated key serves at once; while the file can't be read, the last
// key is kept. It is safe for concurrent use.
type Key struct {
	path string
	warn func(error)

	mu     sync.Mutex
	value  string
	failed bool
	open   bool // to others, when last looked at
}

// KeySource says where the key comes from: a file of at most 4 KiB, or else a
// value. White space around it is ignored.
type KeySource struct {
	File  string
	Value string      // used if File is ""
	Warn  func(error) // told once when the file cannot be read any more, and once when others may read it; may be nil
}

// Errors of a key that cannot be one. None of them quotes it.
var (
	ErrNoKey       = errors.New("no API key")
	ErrKeyInQuotes = errors.New("the API key is written in quotes: leave them out")
	ErrKeyAssigned = errors.New("the API key is written as an assignment: leave out its name and the equals sign")
)

// Open reads the key. It fails with ErrNoKey if there is neither a file nor a
// value, and with other errors if the file cannot be read or what it holds
// cannot stand in an HTTP header.
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
	k.tell(warning)
	return k, nil
}

// Value is the key as it is now.
func (k *Key) Value() string {
	value, warning := k.current()
	k.tell(warning) // not under the mutex: it may want the key
	return value
}

// tell warns of something; nil is nothing.
func (k *Key) tell(warning error) {
	if warning != nil && k.warn != nil {
		k.warn(warning)
	}
}

// current reads a key's file anew, and returns what to warn of.
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
		warning = fmt.Errorf("the last API key is kept: %w", err)
	}
	return k.value, warning
}

// read reads the file, and warns if others may do so too, and did not when it
// was read before.
func (k *Key) read() (warning, err error) {
	value, mode, err := readKey(k.path)
	if err != nil {
		return nil, err
	}
	k.value = value
	open := openToOthers(mode)
	if open && !k.open {
		warning = fmt.Errorf("mode %04o of the key file %s lets every user of the host read or replace the API key: "+
			"take it from others with chmod o=, for a secret of Kubernetes with defaultMode: 0440 and fsGroup", mode.Perm(), k.path)
	}
	k.open = open
	return warning, nil
}

// openToOthers reports whether users who neither own a file nor are in its group
// may read or replace what is in it. A group is fine: systemd and Kubernetes
// hand secrets over that way. On Windows the mode does not tell.
func openToOthers(mode fs.FileMode) bool {
	return runtime.GOOS != "windows" && mode.Perm()&0o006 != 0
}

func readKey(path string) (string, fs.FileMode, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", 0, fmt.Errorf("read the key file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return "", 0, fmt.Errorf("read the key file %s: it is no regular file, reading it might wait for ever", path)
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
		return "", 0, fmt.Errorf("read the key file %s: it is over 4 KiB, which no key is", path)
	}
	value, err := cleanKey(string(raw))
	if err != nil {
		return "", 0, fmt.Errorf("read the key file %s: %w", path, err)
	}
	return value, info.Mode(), nil
}

// assignment is how a line of a shell or an env file begins. Base64 may end with
// equals signs, but begins no name with them.
var assignment = regexp.MustCompile(`^(export\s+)?[A-Z_][A-Z0-9_]+\s*=\s*[^=]`)

func cleanKey(raw string) (string, error) {
	value := strings.TrimSpace(raw)
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
