"""PostgreSQL as operators have it: behind PgBouncer, with a certificate of its own, with other defaults, with messages
in another language, with another encoding, at a Unix socket."""

import os
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from conftest import BINARY, User, assert_error, eventually, link_path, settings_on, service_caller_token
from faults import cluster
from faults.conftest import left_out
from faults.pooler import PROGRAM as PGBOUNCER
from faults.pooler import Pooler

START_SECONDS = 120
LOCALE = "de_DE.UTF-8"


@pytest.fixture
def refused(binary, own_chats, tmp_path):
    """Starts the service where it may not start, and gives back what it says."""

    def refused(database_url, **settings):
        environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        environment |= {"BIND_ADDRESS": "127.0.0.1:0", **settings_on(database_url, own_chats, **settings)}
        done = subprocess.run(
            [BINARY, "serve"], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=START_SECONDS
        )
        assert done.returncode != 0 and "listening" not in done.stdout, done.stdout
        assert "panicked" not in done.stderr, done.stderr
        return done.stderr

    return refused


def share_and_change(service, chats):
    """What most of the service's statements are needed for."""
    alice = User("Alice")
    owner, anyone = service.http(alice), service.http()
    link = owner.share(chats.new_chat(alice.sub, "ẞ and İ"))
    assert anyone.view(link).json()["name"] == "ẞ and İ"
    assert owner.patch(link_path(link), json={"is_private": True}).status_code == 204
    assert_error(anyone.view(link), 401, "login_required")
    assert [row["id"] for row in owner.list(name_filter="SS")] == [link["id"]]
    assert owner.delete(link_path(link)).status_code == 204
    assert_error(anyone.view(link), 404, "not_found")


def hear_of_each_other(one, other, chats):
    alice = User("Alice")
    chat = chats.new_chat(alice.sub)
    link = one.http(alice).share(chat, is_frozen=False)
    with other.http().get(link_path(link) + "/events", stream=True, timeout=60) as events:
        lines = events.iter_lines(decode_unicode=True)
        assert next(lines).startswith(":")
        chat.say("News")
        told = one.http(service_caller_token()).post(f"/api/v1/chats/{chat.id}/changes")
        assert told.status_code == 202
        assert "event: message" in lines


# A pooler


@pytest.fixture
def pgbouncer(own_postgres):
    """PgBouncer in front of the server, to be started."""
    if PGBOUNCER is None:
        left_out("no PgBouncer (apt install pgbouncer)")
    return lambda more="": Pooler(own_postgres, more)


def test_two_instances_behind_pgbouncer_in_session_mode_hear_of_each_other(own_postgres, pgbouncer, start, own_chats):
    database = own_postgres.new_database()
    with pgbouncer() as pooler:
        one, other = start(pooler.url(database)), start(pooler.url(database))
        share_and_change(one, own_chats)
        hear_of_each_other(one, other, own_chats)
        for service in (one, other):
            service.terminate()


@pytest.mark.parametrize("mode", ["transaction", "statement"])
def test_a_pooler_that_is_not_in_session_mode_stops_the_start_and_is_named(own_postgres, pgbouncer, refused, mode):
    database = own_postgres.new_database()
    with pgbouncer(f"pool_mode = {mode}") as pooler:
        said = refused(pooler.url(database))
    assert "pool_mode = session" in said and "DATABASE_URL" in said, said


def test_a_busy_pooler_in_transaction_mode_is_told_too(own_postgres, pgbouncer, refused):
    database = own_postgres.new_database()
    with pgbouncer("pool_mode = transaction\nserver_round_robin = 1") as pooler:
        over = threading.Event()

        def ask():
            with psycopg.connect(pooler.url(database), autocommit=True, prepare_threshold=None) as connection:
                while not over.is_set():
                    connection.execute("SELECT pg_sleep(0.002)")

        with ThreadPoolExecutor(4) as pool:
            asking = [pool.submit(ask) for _ in range(4)]
            try:
                said = refused(pooler.url(database))
            finally:
                over.set()
            [ended.result() for ended in asking]
    assert "pool_mode = session" in said, said


# Certificates


def self_signed(server, name, subject):
    """A certificate and a key, as PostgreSQL's manual makes them ("Creating Certificates")."""
    certificate, key = server.folder / f"{name}.crt", server.folder / f"{name}.key"
    subprocess.run(
        # fmt: off
        ["openssl", "req", "-new", "-x509", "-days", "365", "-nodes", "-text",
         "-out", certificate, "-keyout", key, "-subj", subject],
        # fmt: on
        check=True,
        capture_output=True,
    )
    for path in (certificate, key):
        if os.geteuid() == 0:
            os.chown(path, server.folder.stat().st_uid, server.folder.stat().st_gid)
    key.chmod(0o600)
    return certificate, key


@pytest.fixture(scope="module")
def tls_postgres(postgres_programs):
    """A server with a certificate that it signed itself, and a Unix socket; the certificate."""
    server = cluster.Server(postgres_programs).create()
    certificate, key = self_signed(server, "server", "/CN=localhost")
    server.configure(
        f"ssl = on\nssl_cert_file = '{certificate}'\nssl_key_file = '{key}'\n"
        f"unix_socket_directories = '{server.folder}'\n"
    )
    yield server.start(), certificate
    server.remove()


def test_a_self_signed_certificate_that_is_given_is_trusted_for_its_name(tls_postgres, start, own_chats):
    server, certificate = tls_postgres
    database = server.new_database()
    psycopg.connect(
        f"host=localhost port={server.port} user={cluster.USER} dbname={database}"
        f" sslmode=verify-full sslrootcert={certificate}"
    ).close()
    url = f"postgres://{cluster.USER}@localhost:{server.port}/{database}?sslmode=verify-full"
    service = start(url, DATABASE_CA_FILE=str(certificate))
    share_and_change(service, own_chats)
    encrypted = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE datname = '{}'"
    assert server.execute(encrypted.format(database)) == [(True,)]


def test_a_certificate_that_is_not_trusted_is_explained(tls_postgres, refused, tmp_path):
    server, certificate = tls_postgres
    other, _ = self_signed(server, "other", "/CN=localhost")
    empty = tmp_path / "empty.pem"
    empty.write_text("no certificate\n")

    def said(host, ca_file):
        url = f"postgres://{cluster.USER}@{host}:{server.port}/postgres?sslmode=require"
        return refused(url, DATABASE_CA_FILE=ca_file and str(ca_file))

    assert "`CN=localhost` is self-signed, and is not one of DATABASE_CA_FILE" in said("localhost", other)
    assert "is self-signed, and is not one of DATABASE_CA_FILE" in said("localhost", None)
    assert "is for `localhost`, not for `127.0.0.1`" in said("127.0.0.1", certificate)
    assert "there is no certificate (PEM) in it" in said("localhost", empty)


# Other ways to connect


def test_a_url_with_the_folder_of_a_unix_socket_works(tls_postgres, start, own_chats):
    server, _ = tls_postgres
    database = server.new_database()
    # As Cloud SQL has it. There is no TLS on a Unix socket, whatever is asked for.
    url = f"postgres://{cluster.USER}:secret@/{database}?host={server.folder}&port={server.port}&sslmode=require"
    one, other = start(url), start(url)
    share_and_change(one, own_chats)
    hear_of_each_other(one, other, own_chats)


def test_an_option_that_is_not_supported_stops_the_start_and_is_named(own_postgres, refused):
    url = own_postgres.url("postgres").replace("postgres@", "postgres:hunter2@")
    said = refused(url + "?connect_timeout=3&sslrootcert=/etc/ca.pem")
    assert "unknown option `sslrootcert`" in said and "DATABASE_CA_FILE" in said and "hunter2" not in said


# Other defaults


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_clients_that_change_one_link_get_no_503_at_any_default_isolation_level(own_postgres, start, own_chats, level):
    database = own_postgres.new_database()
    own_postgres.execute(f"ALTER DATABASE {database} SET default_transaction_isolation = '{level}'")
    own_postgres.execute(f"ALTER DATABASE {database} SET standard_conforming_strings = off")
    service = start(own_postgres.url(database))
    share_and_change(service, own_chats)
    alice = User("Alice")
    link = service.http(alice).share(own_chats.new_chat(alice.sub))

    def change(client):
        owner = service.http(alice)
        return [owner.patch(link_path(link), json={"label": f"{client}-{n}"}).status_code for n in range(20)]

    with ThreadPoolExecutor(8) as pool:
        statuses = [status for of_one in pool.map(change, range(8)) for status in of_one]
    assert set(statuses) == {204}, statuses


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_of_another_encoding_stops_the_start_and_is_named(own_postgres, refused, encoding):
    database = own_postgres.new_database(f"TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'")
    said = refused(own_postgres.url(database))
    assert f"the encoding of the database `{database}` is {encoding}" in said, said


# Another language


@pytest.fixture(params=["tcp", "unix"])
def german(request, tls_postgres):
    """A server, a database there whose messages are German, and its URL."""
    server, _ = tls_postgres
    database = server.new_database()
    try:
        server.execute(f"ALTER DATABASE {database} SET lc_messages = '{LOCALE}'")
    except psycopg.errors.InvalidParameterValue:
        left_out(f"no locale {LOCALE} (localedef -i de_DE -f UTF-8 {LOCALE})")
    with pytest.raises(psycopg.errors.DivisionByZero, match="Division durch Null"):
        server.execute("SELECT 1/0", database)
    if request.param == "tcp":
        return server, database, server.url(database)
    return server, database, f"postgres://{cluster.USER}@/{database}?host={server.folder}&port={server.port}"


WAITS = "SELECT pid FROM pg_stat_activity WHERE datname = '{}' AND wait_event_type = 'Lock' AND state = 'active'"


@pytest.mark.parametrize("ended_by", ["pg_cancel_backend", "pg_terminate_backend", "lock_timeout"])
def test_what_the_server_gives_up_is_503_in_german_too(german, start, own_chats, ended_by):
    server, database, url = german
    if ended_by == "lock_timeout":
        server.execute(f"ALTER DATABASE {database} SET lock_timeout = '300ms'")
    service = start(url)
    alice = User("Alice")
    owner = service.http(alice)
    link = owner.share(own_chats.new_chat(alice.sub))
    with psycopg.connect(server.url(database)) as other, ThreadPoolExecutor(1) as pool:
        other.execute("SELECT 1 FROM shared_chats FOR UPDATE")
        changing = pool.submit(owner.patch, link_path(link), json={"label": "x"})
        if ended_by != "lock_timeout":
            [(pid,)] = eventually(lambda: server.execute(WAITS.format(database)), 60, "it waits for the lock")
            server.execute(f"SELECT {ended_by}({pid})")
        refused = changing.result()
        other.rollback()
    assert_error(refused, 503, "unavailable")
    assert refused.headers["Retry-After"]
    assert owner.patch(link_path(link), json={"label": "x"}).status_code == 204


def test_a_defect_is_500_in_german_and_its_sqlstate_is_in_the_log(german, start):
    server, database, url = german
    service = start(url)
    server.execute("DROP TABLE chats CASCADE", database)
    refused = service.http(service_caller_token()).delete("/api/v1/chats/oslo/shared_chats")
    assert_error(refused, 500, "internal_error")
    assert "[42P01] Relation »chats« existiert nicht" in service.log()
