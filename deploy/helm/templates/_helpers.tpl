{{- define "magpipe-exporter.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "magpipe-exporter.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "magpipe-exporter.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (ternary (include "magpipe-exporter.fullname" .) "default" .Values.serviceAccount.create) }}
{{- end }}

{{/* What selects the pods of all accounts of the release. */}}
{{- define "magpipe-exporter.selectorLabels" -}}
app.kubernetes.io/name: {{ include "magpipe-exporter.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* What selects the pod of one exporter. Expects root and exporter. */}}
{{- define "magpipe-exporter.exporterSelectorLabels" -}}
{{ include "magpipe-exporter.selectorLabels" .root }}
{{- with .exporter.account }}
magpipe-account: {{ . | quote }}
{{- end }}
{{- end }}

{{/* The labels of an object. Expects root, and where they apply exporter and more labels. The chart's own win. */}}
{{- define "magpipe-exporter.labels" -}}
{{- $labels := include "magpipe-exporter.selectorLabels" .root | fromYaml }}
{{- if .exporter }}
  {{- $labels = include "magpipe-exporter.exporterSelectorLabels" . | fromYaml }}
{{- end }}
{{- $chart := printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- $labels = merge $labels (dict
  "helm.sh/chart" $chart
  "app.kubernetes.io/version" .root.Chart.AppVersion
  "app.kubernetes.io/managed-by" .root.Release.Service) }}
{{- toYaml (merge $labels (.more | default dict) .root.Values.commonLabels) }}
{{- end }}

{{/*
The exporters of the release as a YAML list of their account, name, job and values. An account's values are merged over those of
the chart. Whatever two exporters must not share is refused here.
*/}}
{{- define "magpipe-exporter.exporters" -}}
{{- $fullname := include "magpipe-exporter.fullname" . }}
{{- $exporters := list }}
{{- $owners := dict }}
{{- range $account, $own := .Values.accounts | default (dict "" dict) }}
  {{- $name := $fullname }}
  {{- if $account }}
    {{- $name = printf "%s-%s" ($fullname | trunc (int (sub 62 (len $account))) | trimSuffix "-") $account }}
  {{- end }}
  {{- $values := mergeOverwrite (deepCopy (omit $.Values "accounts" "global")) ($own | default dict) }}
  {{- $job := $values.job }}
  {{- if not $job }}
    {{- $short := $name | replace (printf "-%s" $.Chart.Name) "" }}
    {{- $job = ternary $name (printf "magpipe-%s" $short | trunc 63 | trimSuffix "-") (hasPrefix "magpipe" $name) }}
  {{- end }}
  {{- $exporter := dict "account" $account "name" $name "job" $job "values" $values }}
  {{- include "magpipe-exporter.validate" $exporter }}
  {{- $unshared := dict "job" $job "claim" (ternary $values.persistence.existingClaim "" $values.persistence.enabled) }}
  {{- if not $values.demo }}
    {{- $_ := set $unshared "key" ($values.apiKey | default (printf "%s in the Secret %s" $values.existingSecretKey $values.existingSecret)) }}
  {{- end }}
  {{- range $what, $value := $unshared }}
    {{- $owner := printf "%s %s" $what $value }}
    {{- if and $value (hasKey $owners $owner) }}
      {{- fail (printf "accounts.%s and accounts.%s have the same %s, but each needs its own" (get $owners $owner) $account $what) }}
    {{- end }}
    {{- $_ := set $owners $owner $account }}
  {{- end }}
  {{- $exporters = append $exporters $exporter }}
{{- end }}
{{- toYaml $exporters }}
{{- end }}

{{/* Fails if the values of an exporter are incomplete or contradict each other. */}}
{{- define "magpipe-exporter.validate" -}}
{{- $at := ternary (printf "accounts.%s." .account) "" (ne .account "") }}
{{- if has .account (list "true" "false") }}
  {{- fail "accounts: put names such as on, off, yes, no, y and n in quotes, because YAML takes them for true or false" }}
{{- end }}
{{- if not (or .values.existingSecret .values.apiKey .values.demo) }}
  {{- fail (printf "%sexistingSecret is missing: name the Secret that contains the API key" $at) }}
{{- end }}
{{- if and .values.existingSecret .values.apiKey }}
  {{- fail (printf "%sexistingSecret and %sapiKey are both set, but there is one key" $at $at) }}
{{- end }}
{{- range $extra := .values.extraArgs }}
  {{- $flag := regexFind "^--[^=]*" (toString $extra) }}
  {{- range $own := include "magpipe-exporter.args" $ | fromYamlArray }}
    {{- if and $flag (eq $flag (regexFind "^--[^=]*" $own)) }}
      {{- fail (printf "%sextraArgs has %s, which the chart sets itself" $at $flag) }}
    {{- end }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "magpipe-exporter.image" -}}
{{- $repository := required "image.repository is missing: push the image that `make image` builds to where the cluster can pull it" .Values.image.repository }}
{{- if .Values.image.digest }}
{{- printf "%s@%s" $repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" $repository (.Values.image.tag | default .Chart.AppVersion) }}
{{- end }}
{{- end }}

{{/* The flags that the chart sets for an exporter, as a YAML list. */}}
{{- define "magpipe-exporter.args" -}}
{{- if .values.demo }}
- --demo
{{- else }}
# The file changes with the Secret, and a new key is used at once.
- --api.key-file=/etc/magpipe/api-key
{{- end }}
{{- if .values.persistence.enabled }}
- --state.file=/var/lib/magpipe/state
{{- end }}
{{- include "magpipe-exporter.webArgs" . }}
{{- end }}

{{/* The flags that --healthcheck needs as well. */}}
{{- define "magpipe-exporter.webArgs" -}}
{{- if .values.webConfig.existingSecret }}
- --web.config.file=/etc/magpipe-web/{{ .values.webConfig.key }}
{{- end }}
{{- end }}

{{/*
90 % of the memory limit in bytes. Empty without a limit, for a unit that is not in the table, and if extraEnv has it.
*/}}
{{- define "magpipe-exporter.goMemLimit" -}}
{{- $limit := dig "limits" "memory" "" .values.resources | toJson | trimAll "\"" }}
{{- $units := dict "" 1 "k" 1e3 "M" 1e6 "G" 1e9 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 }}
{{- $number := regexFind "^[0-9]+([.][0-9]+)?" $limit }}
{{- $unit := trimPrefix $number $limit }}
{{- $set := false }}
{{- range .values.extraEnv }}
  {{- $set = or $set (eq .name "GOMEMLIMIT") }}
{{- end }}
{{- if and $number (hasKey $units $unit) (not $set) }}
{{- mulf 0.9 (float64 $number) (get $units $unit) | floor | int64 }}
{{- end }}
{{- end }}

{{/* A probe: that of the values, or --healthcheck if there is a web config, or a path. Expects exporter, custom and path. */}}
{{- define "magpipe-exporter.probe" -}}
{{- if .custom }}
{{- toYaml .custom }}
{{- else if .exporter.values.webConfig.existingSecret -}}
exec:
  command:
    - /magpipe_exporter
    - --healthcheck
    {{- include "magpipe-exporter.webArgs" .exporter | nindent 4 }}
periodSeconds: 30
timeoutSeconds: 10
{{- else -}}
httpGet:
  path: {{ .path }}
  port: metrics
timeoutSeconds: 5
{{- end }}
{{- end }}
