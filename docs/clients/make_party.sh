#!/bin/sh
# make_party.sh NAME [ec|rsa] [DIR]: a key and a self-signed certificate of two years, NAME.key and NAME.pem.
set -eu
name=$1 kind=${2:-ec} folder=${3:-.}
case $kind in
ec) set -- -newkey ec -pkeyopt ec_paramgen_curve:P-256 ;;
rsa) set -- -newkey rsa:2048 ;;
*) echo "ec or rsa" >&2; exit 2 ;;
esac
umask 077
openssl req -x509 "$@" -noenc -sha256 -days 730 -subj "/CN=$name" \
    -keyout "$folder/$name.key" -out "$folder/$name.pem" 2>/dev/null
openssl x509 -in "$folder/$name.pem" -noout -subject -enddate
