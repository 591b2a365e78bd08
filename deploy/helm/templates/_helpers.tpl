{{- define "berth.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 53 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 53 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "berth.selector" -}}
app.kubernetes.io/name: berth
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "berth.labels" -}}
{{ include "berth.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "berth.image" -}}
{{- if .Values.image.digest }}{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else }}{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}
{{- end }}

{{/* Whether there is a PostgreSQL, as far as the chart can know. */}}
{{- define "berth.isPostgres" -}}
{{- if or .Values.database.existingSecret .Values.env.DATABASE_URL .Values.secrets.DATABASE_URL }}true{{ end }}
{{- end }}

{{/* Whether several pods may work at a time. */}}
{{- define "berth.isShared" -}}
{{- if and (include "berth.isPostgres" .) (has "ReadWriteMany" .Values.persistence.accessModes) }}true{{ end }}
{{- end }}

{{- define "berth.publicUrl" -}}
{{- if .Values.publicUrl }}{{ .Values.publicUrl }}
{{- else if .Values.ingress.enabled }}https://{{ .Values.ingress.host }}
{{- end }}
{{- end }}

{{/* How Kubernetes asks whether all is well: by HTTPS where Berth itself has a certificate. */}}
{{- define "berth.probe" -}}
{{- $http := .root.Values.config.http | default dict }}
{{- $tls := $http.tls | default dict }}
{{- $scheme := ternary "HTTPS" "HTTP" (or $tls.certificate .root.Values.env.REGISTRY_HTTP_TLS_CERTIFICATE | empty | not) -}}
httpGet: {path: {{ .path }}, port: registry, scheme: {{ $scheme }}}
{{- end }}

{{/* What would not work, or only seem to. */}}
{{- define "berth.check" -}}
{{- if gt (int .Values.replicas) 1 }}
{{- if not (include "berth.isPostgres" .) }}
{{- fail "replicas: SQLite is for one replica. Name a Secret with the address of a PostgreSQL in database.existingSecret, or set replicas to 1." }}
{{- end }}
{{- if not (include "berth.isShared" .) }}
{{- fail "replicas: all replicas use one volume. Set persistence.accessModes to [ReadWriteMany], with a storageClass that can do that, or set replicas to 1." }}
{{- end }}
{{- end }}
{{- $http := .Values.config.http | default dict }}
{{- $tls := $http.tls | default dict }}
{{- $env := .Values.env }}
{{- $address := $env.REGISTRY_HTTP_ADDR | default $http.addr | default ":5000" }}
{{- if not (hasSuffix ":5000" $address) }}
{{- fail (printf "%s: in the pod it is port 5000; set service.port for another one outside." $address) }}
{{- end }}
{{- if or $env.REGISTRY_HTTP_DRAINTIMEOUT $http.draintimeout }}
{{- fail "REGISTRY_HTTP_DRAINTIMEOUT (http.draintimeout): set drainSeconds instead, which gives the pod its time as well." }}
{{- end }}
{{- if and $env.DATABASE_URL .Values.database.existingSecret }}
{{- fail "DATABASE_URL: database.existingSecret names one as well; keep one of them." }}
{{- end }}
{{- if $env.REGISTRY_DATA }}
{{- fail "REGISTRY_DATA: the volume is at /var/lib/registry; remove this." }}
{{- end }}
{{- if and (or $tls.clientcas $env.REGISTRY_HTTP_TLS_CLIENTCAS) (not (has "verify-client-cert-if-given" (list $tls.clientauth $env.REGISTRY_HTTP_TLS_CLIENTAUTH))) }}
{{- fail "http.tls.clientcas: Kubernetes has no certificate to show when it probes. Set http.tls.clientauth to verify-client-cert-if-given, or let the Ingress ask for certificates." }}
{{- end }}
{{- end }}

{{/* A value as text: numbers without an exponent. */}}
{{- define "berth.text" -}}
{{- kindIs "string" . | ternary . (toJson .) | quote }}
{{- end }}

{{/* The environment that the chart makes, under whatever `env` says of the same names. */}}
{{- define "berth.env" -}}
{{- $http := .Values.config.http | default dict }}
{{- $env := dict
    "REGISTRY_DATA" "/var/lib/registry"
    "REGISTRY_HTTP_ADDR" ($http.addr | default ":5000")
    "REGISTRY_HTTP_DRAINTIMEOUT" (printf "%ds" (int .Values.drainSeconds)) }}
{{- with include "berth.publicUrl" . }}{{ $_ := set $env "REGISTRY_HTTP_HOST" . }}{{ end }}
{{- with .Values.trustedProxies }}{{ $_ := set $env "REGISTRY_HTTP_TRUSTEDPROXIES" (join "," .) }}{{ end }}
{{- range $name, $value := mergeOverwrite $env .Values.env }}
- name: {{ $name }}
  value: {{ include "berth.text" $value }}
{{- end }}
{{- if .Values.database.existingSecret }}
- name: DATABASE_URL
  valueFrom:
    secretKeyRef:
      name: {{ .Values.database.existingSecret }}
      key: {{ .Values.database.key }}
{{- end }}
{{- end }}

{{- define "berth.envFrom" -}}
{{- if .Values.secrets }}
- secretRef:
    name: {{ include "berth.name" . }}
{{- end }}
{{- if .Values.existingSecret }}
- secretRef:
    name: {{ .Values.existingSecret }}
{{- end }}
{{- end }}

{{- define "berth.mounts" -}}
- name: data
  mountPath: /var/lib/registry
- name: tmp
  mountPath: /tmp
{{- if .Values.config }}
- name: config
  mountPath: /etc/distribution
  readOnly: true
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "berth.container" -}}
image: {{ include "berth.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
env:
  {{- include "berth.env" . | trim | nindent 2 }}
{{- with include "berth.envFrom" . }}
envFrom:
  {{- . | trim | nindent 2 }}
{{- end }}
volumeMounts:
  {{- include "berth.mounts" . | nindent 2 }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
resources:
  {{- toYaml .Values.resources | nindent 2 }}
{{- end }}
