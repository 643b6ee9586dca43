package cli

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"magpipe_exporter/apiclient"
)

// keyVariable is the environment variable that holds the API key.
const keyVariable = "MAGPIPE_API_KEY"

// OpenKey opens the API key. Its errors name the flag or the variable that the
// key comes from, and never quote the key.
func (s *Settings) OpenKey() (*apiclient.Key, error) {
	source := keyVariable
	switch {
	case s.Key.File != "":
		source = "--api.key-file"
	case s.Key.Value == "":
		return nil, errors.New("no API key: name its file with --api.key-file or MAGPIPE_API_KEY_FILE, or set " + keyVariable)
	}
	key, err := s.Key.Open()
	if err != nil {
		return nil, err
	}
	if err := checkKey(key.Value()); err != nil {
		return nil, fmt.Errorf("%s: %w", source, err)
	}
	return key, nil
}

// assignment is how a line of a shell script or an environment file begins.
var assignment = regexp.MustCompile(`^(export\s+)?[A-Z_][A-Z0-9_]+\s*=\s*[^=]`)

// checkKey refuses what is more than a key: docker's --env-file keeps quotes,
// and a key file may have been made from an environment file.
func checkKey(key string) error {
	switch {
	case assignment.MatchString(key):
		return errors.New("the API key is written as an assignment: leave out its name and the equals sign")
	case strings.Trim(key, `"'`) != key:
		return errors.New("the API key is in quotes: leave them out")
	}
	return nil
}
