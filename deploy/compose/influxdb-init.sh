#!/bin/bash
# Runs once in the database's container, after its first start. Creates the DBRP mapping for InfluxQL, and two tokens,
# one for writing and one for reading, as files in the directory shared with the other containers.
set -euo pipefail

influx v1 dbrp create --org "$DOCKER_INFLUXDB_INIT_ORG" --bucket-id "$DOCKER_INFLUXDB_INIT_BUCKET_ID" \
    --db "$DOCKER_INFLUXDB_INIT_BUCKET" --rp autogen --default

# token FILE DESCRIPTION PERMISSION...
token() {
    local file=$1 description=$2
    shift 2
    influx auth create --org "$DOCKER_INFLUXDB_INIT_ORG" --description "$description" "$@" --json |
        sed -n 's/.*"token": "\([^"]*\)".*/\1/p' >"/tokens/$file.new"
    test -s "/tokens/$file.new"
    mv "/tokens/$file.new" "/tokens/$file"
}

token influxdb-write-token "wattgram writes" --write-bucket "$DOCKER_INFLUXDB_INIT_BUCKET_ID"
token influxdb-read-token "Grafana reads" --read-bucket "$DOCKER_INFLUXDB_INIT_BUCKET_ID" --read-dbrps
