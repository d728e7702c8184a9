{{- define "intake.image" -}}
{{ .Values.image.repository }}{{ with .Values.image.digest }}@{{ . }}{{ else }}:{{ default .Chart.AppVersion .Values.image.tag }}{{ end }}
{{- end -}}

{{- /* The labels that select the pods of one process: a dict of root and name. */ -}}
{{- define "intake.labels" -}}
app.kubernetes.io/name: intake
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .name }}
{{- end -}}

{{- /* One process: a dict of root, name, args, values, and what the process has of its own. Without `replicas`, an autoscaler
decides how many there are. */ -}}
{{- define "intake.deployment" -}}
{{- $secrets := include "intake.secrets" . | fromYaml }}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .root.Release.Name }}-{{ .name }}
  labels:
    {{- include "intake.labels" . | nindent 4 }}
spec:
  {{- if hasKey . "replicas" }}
  replicas: {{ .replicas | int }}
  {{- end }}
  selector:
    matchLabels:
      {{- include "intake.labels" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "intake.labels" . | nindent 8 }}
      annotations:
        checksum/config: {{ .root.Values.config | sha256sum }}
    spec:
      {{- with .root.Values.imagePullSecrets }}
      imagePullSecrets:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      automountServiceAccountToken: false
      # A Service of the name "flower" would otherwise set FLOWER_PORT=tcp://…, which Flower reads.
      enableServiceLinks: false
      terminationGracePeriodSeconds: {{ .root.Values.grace }}
      # The image names a user that is not root; a cluster may run it as any other (OpenShift does).
      securityContext:
        runAsNonRoot: true
        seccompProfile:
          type: RuntimeDefault
      {{- with .root.Values.topologySpread }}
      {{- if .enabled }}
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: {{ .topologyKey }}
          whenUnsatisfiable: {{ .whenUnsatisfiable }}
          labelSelector:
            matchLabels:
              {{- include "intake.labels" $ | nindent 14 }}
      {{- end }}
      {{- end }}
      {{- with .root.Values.nodeSelector }}
      nodeSelector:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .root.Values.tolerations }}
      tolerations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .root.Values.affinity }}
      affinity:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .root.Values.priorityClassName }}
      priorityClassName: {{ . }}
      {{- end }}
      containers:
        - name: {{ .name }}
          image: {{ include "intake.image" .root | quote }}
          imagePullPolicy: {{ .root.Values.image.pullPolicy }}
          args:
            {{- toYaml .args | nindent 12 }}
          env:
            - name: INTAKE_LOG_FORMAT
              value: json
            - name: INTAKE_PROCESS
              value: {{ .name }}
            - name: REDIS_URL
              valueFrom:
                secretKeyRef:
                  name: {{ .root.Values.secrets.redis }}
                  key: {{ if has .name (list "web" "receive" "metrics" "flower") }}{{ .name }}{{ else }}worker{{ end }}
            {{- range $name, $value := merge (default dict .env) .root.Values.env }}
            - name: {{ $name }}
              value: {{ $value | quote }}
            {{- end }}
          {{- with $secrets.env }}
          envFrom:
            {{- range . }}
            - secretRef:
                name: {{ . }}
            {{- end }}
          {{- end }}
          {{- with .port }}
          ports:
            - name: http
              containerPort: {{ . }}
          {{- end }}
          {{- with .live }}
          livenessProbe:
            exec:
              command: ["intake", "health", "--live", {{ . | quote }}]
            initialDelaySeconds: 30
            periodSeconds: 30
            timeoutSeconds: 15
            failureThreshold: 4
          {{- else }}
          {{- with .port }}
          livenessProbe:
            tcpSocket:
              port: http
            initialDelaySeconds: 30
            periodSeconds: 30
            timeoutSeconds: 15
            failureThreshold: 4
          {{- end }}
          {{- end }}
          resources:
            {{- toYaml (default .root.Values.resources .values.resources) | nindent 12 }}
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities:
              drop: [ALL]
          volumeMounts:
            - name: config
              mountPath: /etc/intake
              readOnly: true
            {{- range $secrets.files }}
            - name: secret-{{ . | replace "." "-" }}
              mountPath: /run/secrets/{{ . }}
              readOnly: true
            {{- end }}
            - name: state
              mountPath: /var/lib/intake
            - name: tmp
              mountPath: /tmp
      volumes:
        - name: config
          configMap:
            name: {{ .root.Release.Name }}-config
        {{- range $secrets.files }}
        - name: secret-{{ . | replace "." "-" }}
          secret:
            secretName: {{ . }}
        {{- end }}
        - name: state
          emptyDir: {}
        - name: tmp
          emptyDir: {}
{{- end -}}

{{- /* The Secrets of one process (a dict of root and name), as variables and as files: those of what it uses. */ -}}
{{- define "intake.secrets" -}}
{{- $used := dict "worker" (list "accounts") "listen" (list "producers" "alarms") "upkeep" (list "alarms") }}
{{- $used = merge $used (dict "receive" (list "producers") "flower" (list "flower")) }}
{{- $env := list }}
{{- $files := list }}
{{- range default list (get $used .name) }}
{{- $env = concat $env (default list (get $.root.Values.secrets .)) }}
{{- $files = concat $files (default list (get $.root.Values.secrets.files .)) }}
{{- end }}
{{- dict "env" (uniq $env) "files" (uniq $files) | toYaml }}
{{- end -}}

{{- /* How an autoscaler removes workers. */ -}}
{{- define "intake.behavior" -}}
scaleDown:
  # Slowly: removed workers release their claims to the others, but haste gains nothing.
  stabilizationWindowSeconds: 300
  policies:
    - type: Pods
      value: 1
      periodSeconds: 60
{{- end -}}

{{- /* The labels of the metrics of this release alone. */ -}}
{{- define "intake.selector" -}}
{{- default (printf "namespace=%q,service=\"%s-metrics\"" .Release.Namespace .Release.Name) .Values.keda.selector -}}
{{- end -}}
