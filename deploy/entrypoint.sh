#!/bin/sh
# Inside a container a service listens to the outside, on one port whatever its name, unless it is told otherwise.
name=$(echo "$SERVICE" | tr '[:lower:]' '[:upper:]')
eval "export OMS_${name}_HTTP_HOST=\${OMS_${name}_HTTP_HOST:-0.0.0.0} OMS_${name}_HTTP_PORT=\${OMS_${name}_HTTP_PORT:-8080}"
# exec: signals must reach Python, or no stop is graceful.
exec python -m "services.$SERVICE" "$@"
