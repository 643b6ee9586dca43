// Package grafana checks a dashboard against the types that Grafana publishes in its foundation SDK. It is a separate
// module, so that it adds nothing to the exporter's dependencies.
package grafana

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// Schema checks dashboards against Grafana's types.
type Schema struct {
	constants constants
}

// NewSchema registers the panels with the SDK, whose registry is global, and reads the constants of the SDK's source, which
// Go's reflection can't see. It must not be called concurrently.
func NewSchema() (*Schema, error) {
	plugins.RegisterDefaultPlugins()
	found, err := readConstants()
	if err != nil {
		return nil, err
	}
	return &Schema{constants: found}, nil
}

// Check returns the mismatches between a dashboard and Grafana's types: unknown or missing members, values of the wrong
// type or outside their enumeration, unknown units, and panels of an unknown type.
func (s *Schema) Check(raw []byte) []string {
	var members object
	if err := json.Unmarshal(raw, &members); err != nil {
		return []string{err.Error()}
	}
	var found []string
	panels, _ := members["panels"].([]any)
	for i, p := range panels {
		at := fmt.Sprintf("panels[%d]", i)
		panel, ok := p.(object)
		if !ok {
			return []string{at + ": no object"}
		}
		kind, _ := panel["type"].(string)
		if _, known := cog.ConfigForPanelcfgVariant(kind); !known && kind != "row" {
			found = append(found, fmt.Sprintf("%s.type: no panel %q", at, kind))
		}
		// The SDK's strict decoding of a panel is not strict about the options of its fields.
		if config, ok := panel["fieldConfig"]; ok {
			found = append(found, s.checkFields(at+".fieldConfig", kind, config)...)
			delete(panel, "fieldConfig")
		}
	}
	// This type is deprecated, but it is still the format of files that Grafana 11 provisions and imports.
	var strict, d dashboard.Dashboard //nolint:staticcheck // see above
	found = append(found, complaints("", members, strict.UnmarshalJSONStrict)...)
	// The SDK drops some of what it decodes strictly, so the values are decoded again.
	found = append(found, complaints("", members, func(raw []byte) error { return json.Unmarshal(raw, &d) })...)
	found = append(found, lines("", d.Validate())...)
	return append(found, s.constants.check("", d)...)
}

type object = map[string]any

// checkFields checks the options of a panel's fields. Values of overrides have the types of the options that they replace.
func (s *Schema) checkFields(at, panel string, config any) []string {
	var fields struct {
		Defaults  object                                          `json:"defaults"`
		Overrides []dashboard.DashboardFieldConfigSourceOverrides `json:"overrides"`
	}
	found := complaints(at, config, known(&fields))
	found = append(found, s.checkField(at+".defaults", panel, fields.Defaults)...)
	for i, override := range fields.Overrides {
		at := fmt.Sprintf("%s.overrides[%d]", at, i)
		if !slices.Contains([]string{"byName", "byRegexp", "byType", "byFrameRefID", "byValue"}, override.Matcher.Id) {
			found = append(found, fmt.Sprintf("%s: no matcher %q", at, override.Matcher.Id))
		}
		for _, property := range override.Properties {
			replaced := replace(fields.Defaults, strings.Split(property.Id, "."), property.Value)
			found = append(found, s.checkField(at+"."+property.Id, panel, replaced)...)
		}
	}
	return found
}

// replace returns a copy of options in which the one at path has another value.
func replace(options object, path []string, value any) object {
	replaced := object{}
	maps.Copy(replaced, options)
	if len(path) > 1 {
		inner, _ := options[path[0]].(object)
		value = replace(inner, path[1:], value)
	}
	replaced[path[0]] = value
	return replaced
}

func (s *Schema) checkField(at, panel string, options object) []string {
	options = maps.Clone(options)
	// The schema treats a field's links as dashboard links, which must have a type, an icon and more.
	var links []struct {
		Title       string `json:"title"`
		URL         string `json:"url"`
		TargetBlank bool   `json:"targetBlank"`
	}
	var found []string
	if value, ok := options["links"]; ok {
		found = append(found, complaints(at+".links", value, known(&links))...)
		delete(options, "links")
	}
	var field dashboard.FieldConfig
	found = append(found, complaints(at, options, field.UnmarshalJSONStrict)...)
	found = append(found, s.constants.check(at, field)...)
	custom, ok := options["custom"]
	if !ok {
		return found
	}
	variant, _ := cog.ConfigForPanelcfgVariant(panel)
	if variant.StrictFieldConfigUnmarshaler == nil {
		return append(found, fmt.Sprintf("%s.custom: a %s has no options of this kind", at, panel))
	}
	at += ".custom"
	return append(found, complaints(at, custom, func(raw []byte) error {
		if _, err := variant.StrictFieldConfigUnmarshaler(raw); err != nil && err.Error() != "" {
			return err
		}
		read, err := variant.FieldConfigUnmarshaler(raw)
		found = append(found, s.constants.check(at, read)...)
		return err
	})...)
}

// known decodes into what v points to and rejects unknown members.
func known(v any) func([]byte) error {
	return func(raw []byte) error {
		decoder := json.NewDecoder(bytes.NewReader(raw))
		decoder.DisallowUnknownFields()
		return decoder.Decode(v)
	}
}

// complaints decodes value and returns the errors.
func complaints(at string, value any, read func([]byte) error) []string {
	raw, err := json.Marshal(value)
	if err != nil {
		return lines(at, err)
	}
	return lines(at, read(raw))
}

// lines splits an error of the SDK into single errors and adds where they are.
func lines(at string, err error) []string {
	if err == nil || err.Error() == "" {
		return nil
	}
	found := strings.Split(err.Error(), "\n")
	for i, line := range found {
		found[i] = strings.TrimPrefix(at+"."+line, ".")
	}
	return found
}
