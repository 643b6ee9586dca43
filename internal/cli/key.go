package cli

import (
	"errors"

	"magpipe_exporter/apiclient"
)

// keyVariable is the environment variable that holds the API key.
const keyVariable = "MAGPIPE_API_KEY"

// OpenKey opens the API key. Its errors name the flag or the variable that the
// key comes from.
func (s *Settings) OpenKey() (*apiclient.Key, error) {
	if s.Key.File == "" && s.Key.Value == "" {
		return nil, errors.New("no API key: name its file with --api.key-file or MAGPIPE_API_KEY_FILE, or set " + keyVariable)
	}
	return s.Key.Open()
}
