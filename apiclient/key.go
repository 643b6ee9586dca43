package apiclient

import (
	"errors"
	"fmt"
	"io"
	"os"
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
}

// KeySource tells where the key comes from: a file of at most 4 KiB, or else a
// value. White space around it is ignored.
type KeySource struct {
	File  string
	Value string      // used where File is ""
	Warn  func(error) // told once when the file can't be read any more; may be nil
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
	value, err := readKey(s.File)
	if err != nil {
		return nil, err
	}
	return &Key{path: s.File, warn: s.Warn, value: value}, nil
}

// Value is the key as it is now.
func (k *Key) Value() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.path == "" {
		return k.value
	}
	value, err := readKey(k.path)
	if err == nil {
		k.value, k.failed = value, false
		return value
	}
	if !k.failed && k.warn != nil {
		k.warn(fmt.Errorf("the last API key is kept: %w", err))
	}
	k.failed = true
	return k.value
}

func readKey(path string) (string, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		return "", fmt.Errorf("read the key file %s: it is no regular file, reading it might wait for ever", path)
	}
	if err != nil {
		return "", fmt.Errorf("read the key file: %w", err)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("read the key file: %w", err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err != nil {
		return "", fmt.Errorf("read the key file: %w", err)
	}
	if len(raw) > maxKeyFile {
		return "", fmt.Errorf("read the key file %s: it is over 4 KiB, which no key is", path)
	}
	value, err := cleanKey(string(raw))
	if err != nil {
		return "", fmt.Errorf("read the key file %s: %w", path, err)
	}
	return value, nil
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
