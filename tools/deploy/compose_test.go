package deploy_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// project is the demo stack as the loader of docker compose reads and checks it.
func project(t *testing.T) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{root + "/deploy/compose.yaml"}, cli.WithInterpolation(true), cli.WithResolvedPaths(true))
	if err != nil {
		t.Fatal(err)
	}
	p, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestTheDemoStackIsMadeOfFilesOfThisRepository(t *testing.T) {
	p := project(t)
	if names := p.ServiceNames(); !slices.Equal(names, []string{"alertmanager", "exporter", "grafana", "prometheus"}) {
		t.Fatalf("the services are %v", names)
	}
	pinned := regexp.MustCompile(`^docker\.io/\w+/\w+:v?\d+\.\d+\.\d+$`)
	for name, service := range p.Services {
		if name == "exporter" {
			if _, err := os.Stat(filepath.Join(service.Build.Context, service.Build.Dockerfile)); err != nil {
				t.Error(err)
			}
		} else if !pinned.MatchString(service.Image) || service.NetworkMode != "service:exporter" {
			t.Errorf("%s runs %s in the network %q", name, service.Image, service.NetworkMode)
		}
		for _, volume := range service.Volumes {
			if volume.Type != types.VolumeTypeBind {
				continue
			}
			if _, err := os.Stat(volume.Source); err != nil || !volume.ReadOnly {
				t.Errorf("%s mounts %s, read-only: %t: %v", name, volume.Source, volume.ReadOnly, err)
			}
		}
	}
}

func TestTheDemoStackHasNoRightsAndIsOnLoopbackOnly(t *testing.T) {
	p := project(t)
	for name, service := range p.Services {
		if !slices.Equal(service.CapDrop, []string{"ALL"}) || !slices.Contains(service.SecurityOpt, "no-new-privileges:true") {
			t.Errorf("%s keeps rights", name)
		}
		if name != "grafana" && !service.ReadOnly {
			t.Errorf("%s can write its root", name)
		}
		for _, port := range service.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s listens on %q", name, port.HostIP)
			}
		}
	}
}
