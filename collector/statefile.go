package collector

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"github.com/gofrs/flock"
)

// State keeps what a Collector knows in a file, across restarts. The file is a
// copy: if it is lost, a Collector starts with counters at 0.
type State struct {
	path     string
	url      string // of the API, without which the state has no meaning
	logger   log.Logger
	lock     *flock.Flock // nil: the folder cannot be written to
	restored *savedState  // what the file held when it was opened; nil: nothing

	mu       sync.Mutex // guards all fields below; it is held while the file is written
	saved    progress   // what the file holds
	savedAt  time.Time  // when it was written; zero: not by this process
	failures int        // writes that failed
	failing  bool       // the last one did
	failed   error      // to be logged
	closed   bool       // another process may use the file
}

// ErrStateInUse means that another process uses the state file.
var ErrStateInUse = errors.New("another process uses this file; give each exporter its own")

// OpenState opens the state file at a path, which need not exist yet, for the
// account at a URL, and locks it. A file that cannot be used is set aside: renamed
// to path.bad-<time>. If its directory is not writable, a warning is logged. The
// error is ErrStateInUse, or says that the directory or the file cannot be read.
func OpenState(path string, api *url.URL, logger log.Logger) (*State, error) {
	if target, err := os.Readlink(path); err == nil { // the file is to be replaced where it is, not the link to it
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(path), target)
		}
		path = target
	}
	s := &State{path: path, url: api.String(), logger: logger}
	if folder, err := os.Stat(filepath.Dir(path)); err != nil || !folder.IsDir() {
		return nil, fmt.Errorf("the directory %s does not exist: create it", filepath.Dir(path))
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	lock := flock.New(path+".lock", flock.SetPermissions(stateMode))
	switch locked, err := lock.TryLock(); {
	case err != nil && unwritable(err) && !exists(lock.Path()):
		s.failing = true // a warning is enough
		s.warn("the state cannot be saved, and will be lost at the next restart", "err", err)
	case err != nil:
		return nil, fmt.Errorf("lock the file: %w", err)
	case !locked:
		return nil, ErrStateInUse
	default:
		s.lock = lock
		if err := os.RemoveAll(s.temporaries()); err != nil {
			s.warn("temporary files could not be removed", "err", err)
		}
	}
	return s, s.read()
}

// Forget drops what the file held when it was opened, for an account that is new
// with each process.
func (s *State) Forget() { s.restored = nil }

// stateMode is the mode of the state file: only its owner may read it.
const stateMode = 0o600

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// unwritable reports whether an error says that a folder cannot be written to.
func unwritable(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) || errors.Is(err, syscall.ENOSPC)
}

// close unlocks the file. Nothing is written to it afterwards.
func (s *State) close() {
	s.mu.Lock()
	defer s.unlock()
	if s.closed = true; s.lock == nil {
		return
	}
	s.failed = s.lock.Unlock()
}

// temporaries is the folder in which the file is written before it takes its place.
// What is in it at the start was left by a process that was killed.
func (s *State) temporaries() string { return s.path + ".tmp" }

// mostState is more than a state file can have.
const mostState = 256 << 20

// read reads the file. One that cannot be used is set aside.
func (s *State) read() error {
	file, err := os.Open(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the file: %w", err)
	}
	defer file.Close()
	raw, err := io.ReadAll(io.LimitReader(file, mostState+1))
	if err != nil {
		return fmt.Errorf("read the file: %w", err)
	}
	restored, err := parseState(raw)
	if err == nil {
		err = restored.usable(s.url, time.Now())
	}
	if err != nil {
		s.setAside(err)
		return nil
	}
	s.restored = restored
	return nil
}

func (s *State) setAside(reason error) {
	aside := s.path + ".bad-" + time.Now().UTC().Format("20060102T150405Z")
	if err := os.Rename(s.path, aside); err != nil {
		s.warn("the state file can neither be used nor set aside; starting without it", "reason", reason, "err", err)
		return
	}
	s.warn("the state file cannot be used; starting without it", "reason", reason, "set_aside", aside)
}

func (s *State) warn(msg string, keyvals ...any) {
	_ = level.Warn(s.logger).Log(append([]any{"msg", msg, "file", s.path}, keyvals...)...)
}

// write writes a payload to the file, unless it could not be encoded. The first
// failure in a row is logged.
func (s *State) write(payload []byte, err error) {
	if s.closed {
		return
	}
	if err == nil {
		err = os.Mkdir(s.temporaries(), 0o700)
	}
	if err == nil || errors.Is(err, fs.ErrExist) {
		err = replaceFile(s.path, s.temporaries(), appendState(nil, payload))
	}
	if err == nil {
		s.savedAt, s.failing = time.Now(), false
		return
	}
	s.failures++
	if !s.failing {
		s.failing, s.failed = true, err
	}
}

// unlock unlocks the mutex, and then logs what went wrong.
func (s *State) unlock() {
	failed := s.failed
	s.failed = nil
	s.mu.Unlock()
	if failed != nil {
		s.warn("the state file could not be written or unlocked; what is counted from now on will be lost at a restart", "err", failed)
	}
}

// stateVersion changes with the form of the payload.
const stateVersion = 1

// stateHeader is the first line of the file: the version, the length of the payload
// and its XXH64.
const stateHeader = "magpipe_exporter state %d %d %016x\n"

// appendState appends the file that holds a payload.
func appendState(out, payload []byte) []byte {
	out = fmt.Appendf(out, stateHeader, stateVersion, len(payload), xxhash.Sum64(payload))
	return append(out, payload...)
}

// errState means that a state file cannot be used.
var errState = errors.New("not a state file that this version can use")

// parseState parses the contents of a file. Its errors wrap errState.
func parseState(raw []byte) (*savedState, error) {
	header, payload, _ := bytes.Cut(raw, []byte("\n"))
	var version, length int
	var sum uint64
	if _, err := fmt.Sscanf(string(header[:min(len(header), 100)])+"\n", stateHeader, &version, &length, &sum); err != nil {
		return nil, fmt.Errorf("%w: its first line is not that of a state file", errState)
	}
	switch {
	case version != stateVersion:
		return nil, fmt.Errorf("%w: its version is %d, not %d", errState, version, stateVersion)
	case length != len(payload):
		return nil, fmt.Errorf("%w: it has %d bytes, not %d", errState, len(payload), length)
	case sum != xxhash.Sum64(payload):
		return nil, fmt.Errorf("%w: its checksum is wrong", errState)
	}
	return decodeState(payload)
}
