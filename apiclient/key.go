package apiclient

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
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

// KeySource tells where the key comes from: a file of at most 4 KiB, or else a
// value. White space around it is ignored.
type KeySource struct {
	File  string
	Value string      // used where File is ""
	Warn  func(error) // told once when the file can't be read any more, and once when others may read it; may be nil
}

// Open reads the key. It errs if there is none, or none that can stand in an
// HTTP header.
func (s KeySource) Open() (*Key, error) {
	if s.File == "" {
		if s.Value == "" {
			return nil, errors.New("no API key: name its file with --api.key-file or MAGPIPE_API_KEY_FILE, or set MAGPIPE_API_KEY")
		}
		value, err := cleanKey(s.Value)
		if err != nil {
			return nil, fmt.Errorf("MAGPIPE_API_KEY: %w", err)
		}
		return &Key{value: value}, nil
	}
	k := &Key{path: s.File, warn: s.Warn}
	if err := k.read(); err != nil {
		return nil, err
	}
	return k, nil
}

// Value is the key as it is now.
func (k *Key) Value() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.path == "" {
		return k.value
	}
	err := k.read()
	if err != nil && !k.failed {
		k.tell(fmt.Errorf("the last API key is kept: %w", err))
	}
	k.failed = err != nil
	return k.value
}

func (k *Key) tell(err error) {
	if k.warn != nil {
		k.warn(err)
	}
}

func (k *Key) read() error {
	value, mode, err := readKey(k.path)
	if err != nil {
		return err
	}
	k.value = value
	open := openToOthers(mode)
	if open && !k.open {
		k.tell(fmt.Errorf("mode %04o of the key file %s lets every user of the host read or replace the API key: "+
			"take it from others with chmod o=, for a secret of Kubernetes with defaultMode: 0440 and fsGroup", mode.Perm(), k.path))
	}
	k.open = open
	return nil
}

// openToOthers tells whether users who neither own a file nor are in its group
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

func cleanKey(raw string) (string, error) {
	value := strings.TrimSpace(raw)
	switch {
	case value == "":
		return "", errors.New("the API key is empty")
	case len(value) > maxKeyFile:
		return "", errors.New("the API key is over 4 KiB")
	case strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "", errors.New("the API key must be one word of printable ASCII")
	}
	return value, nil
}
