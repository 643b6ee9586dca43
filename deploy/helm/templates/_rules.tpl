{{/* The groups of all rule files, with the thresholds of the values. */}}
{{- define "magpipe-exporter.ruleGroups" -}}
{{- $groups := list }}
{{- range $path, $_ := .Files.Glob "files/rules/*.yml" }}
  {{- $groups = concat $groups ($.Files.Get $path | fromYaml).groups }}
{{- end }}
{{- if not $groups }}
  {{- fail (include "magpipe-exporter.missingFiles" "rules") }}
{{- end }}
{{- range $name, $value := .Values.prometheusRule.thresholds }}
  {{- range $recurrence, $number := kindIs "map" $value | ternary $value (dict "" $value) }}
    {{- $found := false }}
    {{- range $group := $groups }}
      {{- range $rule := $group.rules }}
        {{- if and (eq ($rule.record | default "") (printf "magpipe:threshold_%s" $name)) (eq (dig "labels" "recurrence" "" $rule) $recurrence) }}
          {{- $found = true }}
          {{- $_ := set $rule "expr" (printf "vector(%s)" (toJson $number)) }}
        {{- end }}
      {{- end }}
    {{- end }}
    {{- if not $found }}
      {{- fail (printf "prometheusRule.thresholds.%s: there is no such threshold" (list $name $recurrence | compact | join ".")) }}
    {{- end }}
  {{- end }}
{{- end }}
{{- toYaml $groups }}
{{- end }}

{{- define "magpipe-exporter.missingFiles" -}}
The chart has no {{ . }}. In the repository, files/{{ . }} is a symbolic link, which was not followed. Use the package that `make chart` writes.
{{- end }}
