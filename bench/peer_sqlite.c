/* SPDX-License-Identifier: ISC */
/* sqlite with the rows a delivery makes: the message with its body, its UID, two counters. */
#include "bench/rows.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

static sqlite3 *db;

static void die(const char *what)
{
	fprintf(stderr, "sqlite: %s: %s\n", what, sqlite3_errmsg(db));
	exit(1);
}

static void run(const char *sql)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		die(sql);
}

static sqlite3_stmt *prepare(const char *sql)
{
	sqlite3_stmt *s;

	if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) != SQLITE_OK)
		die(sql);
	return s;
}

static void step(sqlite3_stmt *s)
{
	if (sqlite3_step(s) != SQLITE_DONE || sqlite3_reset(s) != SQLITE_OK)
		die("step");
}

static sqlite3_stmt *insert, *local, *flag;

static void open_db(const char *path)
{
	if (sqlite3_open(path, &db) != SQLITE_OK)
		die(path);
	run("PRAGMA journal_mode=WAL");
	run("PRAGMA synchronous=FULL");
	run("CREATE TABLE IF NOT EXISTS message (seq INTEGER PRIMARY KEY, uid INTEGER, internal "
	    "INTEGER,"
	    " saved INTEGER, flags TEXT, size INTEGER, body BLOB)");
	run("CREATE INDEX IF NOT EXISTS message_uid ON message (uid)");
	run("CREATE TABLE IF NOT EXISTS local (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID");
	insert = prepare(
		"INSERT INTO message VALUES (?1, ?1, 1700000000, 1700000000, '-', 4096, ?2)");
	local = prepare("INSERT OR REPLACE INTO local VALUES (?1, ?2)");
	flag = prepare("UPDATE message SET flags = ?2 WHERE seq = ?1");
}

static void put_local(const char *key, uint32_t value)
{
	sqlite3_bind_text(local, 1, key, -1, SQLITE_STATIC);
	sqlite3_bind_int64(local, 2, value);
	step(local);
}

static void deliver(uint32_t seq)
{
	static char body[MESSAGE_BYTES];
	char key[32];

	rows_message(body, seq);
	sqlite3_bind_int64(insert, 1, seq);
	sqlite3_bind_blob(insert, 2, body, sizeof(body), SQLITE_STATIC);
	step(insert);
	snprintf(key, sizeof(key), "u%08x", (unsigned)seq);
	put_local(key, seq);
	put_local("uidnext", seq + 1);
}

static uint32_t next_uid(void)
{
	sqlite3_stmt *s = prepare("SELECT coalesce(max(uid), 0) + 1 FROM message");

	if (sqlite3_step(s) != SQLITE_ROW)
		die("uidnext");
	uint32_t uid = (uint32_t)sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	return uid;
}

int peer_main(int argc, char **argv)
{
	const char *what = argv[1];
	uint32_t seq, group = strcmp(what, "sqlite-alone") == 0 ? 1 : GROUP, done = 0;
	double start, seconds;

	if (argc < 4)
		return 2;
	open_db(argv[2]);
	seq = next_uid();
	seconds = strtod(argv[3], NULL);
	start = rows_now();
	if (strcmp(what, "sqlite-fill") == 0) { /* seconds: how many */
		while (done < (uint32_t)seconds) {
			run("BEGIN");
			for (unsigned i = 0; i < 1000; i++)
				deliver(seq + done++);
			run("COMMIT");
		}
		run("PRAGMA wal_checkpoint(TRUNCATE)");
	} else if (strcmp(what, "sqlite-flags") == 0) {
		for (; rows_now() < start + seconds; done++) {
			char text[2] = { "FRST"[done % 4], 0 };
			sqlite3_bind_int64(flag, 1, (int64_t)(1 + done * 7919u % (seq - 1)));
			sqlite3_bind_text(flag, 2, text, -1, SQLITE_STATIC);
			step(flag);
		}
	} else {
		while (rows_now() < start + seconds) {
			run("BEGIN");
			for (unsigned i = 0; i < group; i++)
				deliver(seq + done++);
			run("COMMIT");
		}
	}
	rows_say("count", done);
	rows_say("rate", done / (rows_now() - start));
	return sqlite3_close_v2(db) == SQLITE_OK ? 0 : 1;
}
