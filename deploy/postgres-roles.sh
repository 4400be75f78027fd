#!/bin/sh
# Runs once, in an empty database: a login for the processes, which may become okr_app and nothing else.
# The owner's login, which could switch the ledger's guards off, is used by migrations only.
set -eu
psql --set ON_ERROR_STOP=1 --set password="$(cat /run/secrets/login_password)" \
    --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
CREATE ROLE okr_app NOLOGIN;
CREATE ROLE okr_sealer NOLOGIN;
CREATE ROLE okr_login LOGIN PASSWORD :'password';
GRANT okr_app TO okr_login;
SQL
