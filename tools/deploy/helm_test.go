package deploy_test

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	stream "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

const (
	root  = "../.."
	chart = root + "/deploy/helm"
)

// program returns the path of the helm that tools/helm pins, which is built on first use.
var program = sync.OnceValues(func() (string, error) {
	build := exec.Command("go", "tool", "-modfile=tools/helm/go.mod", "-n", "helm")
	build.Dir = root
	path, err := build.Output()
	return strings.TrimSpace(string(path)), err
})

// helm runs helm without a cluster. The error has what it wrote to standard error.
func helm(t *testing.T, args ...string) (string, error) {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatalf("helm cannot be built: %v", err)
	}
	home := t.TempDir()
	run := exec.CommandContext(t.Context(), path, args...)
	run.Env = append(os.Environ(), "HELM_CACHE_HOME="+home, "HELM_CONFIG_HOME="+home, "HELM_DATA_HOME="+home, "KUBECONFIG="+home+"/none")
	var problems strings.Builder
	run.Stderr = &problems
	out, err := run.Output()
	if err != nil {
		err = errors.New(problems.String())
	}
	return string(out), err
}

// examples are the values with which the chart is tested.
func examples() []string { return []string{"minimal", "accounts", "everything"} }

// values returns the flag for the values of an example.
func values(example string) string { return "--values=" + chart + "/ci/" + example + "-values.yaml" }

// template returns what helm would create for a release magpipe-exporter in the namespace magpipe, by kind and name.
func template(t *testing.T, args ...string) map[string][]byte {
	t.Helper()
	out, err := helm(t, slices.Concat([]string{"template", "magpipe-exporter", chart, "--namespace=magpipe"}, args)...)
	if err != nil {
		t.Fatal(err)
	}
	return objects(t, out)
}

// objects splits a stream of manifests.
func objects(t *testing.T, manifests string) map[string][]byte {
	t.Helper()
	found := map[string][]byte{}
	documents := stream.NewYAMLReader(bufio.NewReader(strings.NewReader(manifests)))
	for {
		raw, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return found
		}
		var object meta.PartialObjectMetadata
		if err == nil {
			err = yaml.Unmarshal(raw, &object)
		}
		if err != nil {
			t.Fatalf("%v in:\n%s", err, raw)
		}
		name := object.Kind + "/" + object.Name
		if found[name] != nil || object.Name == "" {
			t.Fatalf("%q is there twice, or has no name:\n%s", name, raw)
		}
		found[name] = raw
	}
}

// each returns the objects of a kind.
func each[T any](t *testing.T, all map[string][]byte, kind string) []*T {
	t.Helper()
	var found []*T
	for name, raw := range all {
		if strings.HasPrefix(name, kind+"/") {
			found = append(found, strict[T](t, raw))
		}
	}
	if len(found) == 0 {
		t.Fatalf("there is no %s", kind)
	}
	return found
}

// strict decodes like an API server with strict field validation.
func strict[T any](t *testing.T, raw []byte) *T {
	t.Helper()
	if raw == nil {
		t.Fatal("the object is missing")
	}
	object := new(T)
	if err := yaml.UnmarshalStrict(raw, object); err != nil {
		t.Fatalf("%v in:\n%s", err, raw)
	}
	return object
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
