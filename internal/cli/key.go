package cli

import (
	"errors"
	"fmt"

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
		return nil, fmt.Errorf("%s: %w", source, err)
	}
	return key, nil
}
