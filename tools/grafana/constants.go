package grafana

import (
	"errors"
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

const (
	sdk   = "github.com/grafana/grafana-foundation-sdk/go/"
	units = sdk + "units."
)

// constants are the values of enumerations, by the import path and name of their type. Those of the package units have no type.
type constants map[string][]string

// readConstants reads the packages of the panels in use, and the packages that they share.
func readConstants() (constants, error) {
	found := constants{}
	for name := range strings.FieldsSeq(`units common dashboard prometheus
		bargauge heatmap piechart stat statetimeline table timeseries`) {
		pkg, err := build.Import(sdk+name, ".", 0)
		if err != nil {
			return nil, err
		}
		for _, file := range pkg.GoFiles {
			parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(pkg.Dir, file), nil, parser.SkipObjectResolution)
			if err != nil {
				return nil, err
			}
			for _, decl := range parsed.Decls {
				if group, ok := decl.(*ast.GenDecl); ok && group.Tok == token.CONST {
					found.add(pkg.ImportPath, group)
				}
			}
		}
	}
	if len(found[units]) < 100 || len(found) < 50 {
		return nil, errors.New("the source of the SDK is not written as expected: few constants found")
	}
	return found, nil
}

func (c constants) add(path string, group *ast.GenDecl) {
	for _, spec := range group.Specs {
		value, ok := spec.(*ast.ValueSpec)
		if !ok || len(value.Values) != 1 {
			continue
		}
		kind := ""
		if name, ok := value.Type.(*ast.Ident); ok {
			kind = name.Name
		}
		if literal, ok := value.Values[0].(*ast.BasicLit); ok {
			word, err := strconv.Unquote(literal.Value)
			if err != nil {
				word = literal.Value
			}
			c[path+"."+kind] = append(c[path+"."+kind], word)
		}
	}
}

// check reports each value within v that is not in its type's enumeration, and each unit that Grafana does not know.
func (c constants) check(at string, v any) []string {
	return c.walk(at, reflect.ValueOf(v))
}

func (c constants) walk(at string, v reflect.Value) []string {
	var found []string
	switch v.Kind() {
	case reflect.Invalid:
		return nil
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			return c.walk(at, v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			found = append(found, c.walk(fmt.Sprintf("%s[%d]", at, i), v.Index(i))...)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
			inner := strings.TrimPrefix(at+"."+name, ".")
			field := reflect.Indirect(v.Field(i))
			if name == "unit" && field.Kind() == reflect.String && !slices.Contains(c[units], field.String()) {
				found = append(found, fmt.Sprintf("%s: no unit %q", inner, field))
			}
			found = append(found, c.walk(inner, v.Field(i))...)
		}
	default:
		words := c[v.Type().PkgPath()+"."+v.Type().Name()]
		if word := fmt.Sprint(v); words != nil && !slices.Contains(words, word) {
			found = append(found, fmt.Sprintf("%s: %q is none of %q", at, word, words))
		}
	}
	return found
}
