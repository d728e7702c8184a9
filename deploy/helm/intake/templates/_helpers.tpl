{{- define "intake.image" -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}

{{- define "intake.labels" -}}
app.kubernetes.io/name: intake
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .name }}
{{- end -}}

{{- /* One process: a dict of root, name, args, and what the process has of its own. */ -}}
{{- define "intake.deployment" -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .root.Release.Name }}-{{ .name }}
  labels:
    {{- include "intake.labels" . | nindent 4 }}
spec:
  {{- if .replicas }}
  replicas: {{ .replicas }}
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
      terminationGracePeriodSeconds: {{ .root.Values.grace }}
      securityContext:
        runAsNonRoot: true
        runAsUser: 10001
        runAsGroup: 10001
        fsGroup: 10001
        seccompProfile:
          type: RuntimeDefault
      containers:
        - name: {{ .name }}
          image: {{ include "intake.image" .root | quote }}
          imagePullPolicy: {{ .root.Values.image.pullPolicy }}
          args:
            {{- toYaml .args | nindent 12 }}
          env:
            - name: INTAKE_LOG_FORMAT
              value: json
            {{- range $name, $value := .env }}
            - name: {{ $name }}
              value: {{ $value | quote }}
            {{- end }}
          envFrom:
            - secretRef:
                name: {{ .root.Values.secret }}
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
          {{- end }}
          resources:
            {{- toYaml (default .root.Values.resources .resources) | nindent 12 }}
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities:
              drop: [ALL]
          volumeMounts:
            - name: config
              mountPath: /etc/intake
              readOnly: true
            - name: state
              mountPath: /var/lib/intake
            - name: tmp
              mountPath: /tmp
      volumes:
        - name: config
          configMap:
            name: {{ .root.Release.Name }}-config
        - name: state
          emptyDir: {}
        - name: tmp
          emptyDir: {}
{{- end -}}
