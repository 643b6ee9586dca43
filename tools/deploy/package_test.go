package deploy_test

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apps "k8s.io/api/apps/v1"
	"sigs.k8s.io/yaml"
)

// archived returns the paths in a package of the chart. Anything but a regular file is an error.
func archived(t *testing.T, path string) []string {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for archive := tar.NewReader(unzipped); ; {
		entry, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil || entry.Typeflag != tar.TypeReg {
			t.Fatalf("%+v is no file: %v", entry, err)
		}
		found = append(found, strings.TrimPrefix(entry.Name, "magpipe-exporter/"))
	}
}

// In the repository, rules and dashboards are symbolic links. helm package follows them, so that there is no second copy to keep.
func TestThePackageHasTheRulesAndDashboardsAndRendersAsTheFolderDoes(t *testing.T) {
	dir := t.TempDir()
	if out, err := helm(t, "package", chart, "--destination="+dir, "--version=1.2.3", "--app-version=1.2.3"); err != nil {
		t.Fatalf("%v%s", err, out)
	}
	pkg := dir + "/magpipe-exporter-1.2.3.tgz"
	files := archived(t, pkg)
	for pattern, folder := range map[string]string{
		root + "/dashboards/rules/*.yml": "files/rules/",
		dashboards + "/*.json":           "files/dashboards/",
	} {
		paths, err := filepath.Glob(pattern)
		if err != nil || len(paths) == 0 {
			t.Fatalf("nothing is %s: %v", pattern, err)
		}
		for _, path := range paths {
			if !slices.Contains(files, folder+filepath.Base(path)) {
				t.Errorf("the package lacks %s: %q", path, files)
			}
		}
	}
	for _, file := range files {
		for _, left := range []string{"ci/", "files/rules/tests/"} {
			if strings.HasPrefix(file, left) {
				t.Errorf("the package has %s", file)
			}
		}
	}

	packaged, err := helm(t, "template", "magpipe-exporter", pkg, values("everything"))
	if err != nil {
		t.Fatal(err)
	}
	folder, err := helm(t, "template", "magpipe-exporter", chart, values("everything"))
	if err != nil {
		t.Fatal(err)
	}
	// Selectors cannot be changed, and the example names its image by a digest.
	before := strict[apps.Deployment](t, objects(t, folder)["Deployment/magpipe"]).Spec
	after := strict[apps.Deployment](t, objects(t, packaged)["Deployment/magpipe"]).Spec
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("another version of the chart changes a pod with the same image:\n%s", diff)
	}
	if diff := cmp.Diff(strings.ReplaceAll(folder, chartVersion(t), "1.2.3"), packaged); diff != "" {
		t.Errorf("(-from the folder +from the package):\n%s", diff)
	}
}

// chartVersion is the version of the chart in the repository, and of the image that it runs.
func chartVersion(t *testing.T) string {
	t.Helper()
	var of struct {
		Version    string `json:"version"`
		AppVersion string `json:"appVersion"`
	}
	if err := yaml.Unmarshal(read(t, chart+"/Chart.yaml"), &of); err != nil || of.Version == "" || of.Version != of.AppVersion {
		t.Fatalf("the chart is %+v: %v", of, err)
	}
	return of.Version
}

// Before the first release, that is the one to come.
func TestTheChartInTheRepositoryIsThatOfTheNewestRelease(t *testing.T) {
	want := "0.1.0"
	if m := regexp.MustCompile(`(?m)^## \[(\d\S*)\]`).FindSubmatch(read(t, root+"/CHANGELOG.md")); m != nil {
		want = string(m[1])
	}
	if got := chartVersion(t); got != want {
		t.Errorf("Chart.yaml has the version %s, want %s", got, want)
	}
	for _, m := range regexp.MustCompile(`/magpipe_exporter:(\S+)`).FindAllSubmatch(read(t, chart+"/README.md"), -1) {
		if got := string(m[1]); got != want {
			t.Errorf("the README pushes the image of version %s, want %s", got, want)
		}
	}
}

// Some tools copy the folder without what its links point to.
func TestWithoutItsFilesTheChartSaysWhereTheyAre(t *testing.T) {
	bare := t.TempDir()
	for _, path := range []string{"Chart.yaml", "values.yaml", "values.schema.json"} {
		if err := os.WriteFile(filepath.Join(bare, path), read(t, filepath.Join(chart, path)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.CopyFS(bare+"/templates", os.DirFS(chart+"/templates")); err != nil {
		t.Fatal(err)
	}
	for _, missing := range []string{"prometheusRule", "dashboards"} {
		_, err := helm(t, "template", "magpipe-exporter", bare, values("minimal"), "--set="+missing+".enabled=true")
		if err == nil || !strings.Contains(err.Error(), "symbolic link, which was not followed") {
			t.Errorf("without its files, %s gives %v", missing, err)
		}
	}
	if _, err := helm(t, "template", "magpipe-exporter", bare, values("minimal")); err != nil {
		t.Error(err)
	}
}
