/* SPDX-License-Identifier: ISC */
/* A session: the table of commands, and the loop that reads, looks up and runs them. */
#include "os/crypto.h"
#include "services/mail/imap_impl.h"

#define TREE_KEEP (64 * 1024) /* a structure larger than this is not kept between commands */

static const struct imap_command commands[] = {
	/* RFC 3501 6.1, any state */
	{ "CAPABILITY", IMAP_ANY, IMAP_NEWS_ALL, imap_run_capability, false },
	{ "NOOP", IMAP_ANY, IMAP_NEWS_ALL, imap_run_noop, false },
	{ "LOGOUT", IMAP_ANY, IMAP_NEWS_NONE, imap_run_logout, false },
	{ "ID", IMAP_ANY, IMAP_NEWS_ALL, imap_run_id, false },
	/* 6.2, not authenticated */
	{ "STARTTLS", IMAP_NOT_AUTH, IMAP_NEWS_NONE, imap_run_starttls, false },
	{ "AUTHENTICATE", IMAP_NOT_AUTH, IMAP_NEWS_NONE, imap_run_authenticate, false },
	{ "LOGIN", IMAP_NOT_AUTH, IMAP_NEWS_NONE, imap_run_login, false },
	/* 6.3, authenticated */
	{ "ENABLE", IMAP_AUTHED, IMAP_NEWS_ALL, imap_run_enable, false },
	{ "SELECT", IMAP_AUTHED, IMAP_NEWS_NONE, imap_run_select, false },
	{ "EXAMINE", IMAP_AUTHED, IMAP_NEWS_NONE, imap_run_examine, false },
	{ "CREATE", IMAP_AUTHED, IMAP_NEWS_ALL, imap_run_create, false },
	{ "DELETE", IMAP_AUTHED, IMAP_NEWS_ALL, imap_run_delete, false },
	{ "RENAME", IMAP_AUTHED, IMAP_NEWS_ALL, imap_run_rename, false },
	{ "SUBSCRIBE", IMAP_AUTHED, IMAP_NEWS_ALL, imap_run_subscribe, false },
	{ "UNSUBSCRIBE", IMAP_AUTHED, IMAP_NEWS_ALL, imap_run_unsubscribe, false },
	{ "LIST", IMAP_AUTHED, IMAP_NEWS_ALL, imap_run_list, false },
	{ "LSUB", IMAP_AUTHED, IMAP_NEWS_ALL, imap_run_lsub, false },
	{ "NAMESPACE", IMAP_AUTHED, IMAP_NEWS_ALL, imap_run_namespace, false },
	{ "STATUS", IMAP_AUTHED, IMAP_NEWS_ALL, imap_run_status, false },
	{ "APPEND", IMAP_AUTHED, IMAP_NEWS_ALL, imap_run_append, false },
	{ "IDLE", IMAP_AUTHED, IMAP_NEWS_ALL, imap_run_idle, false },
	/* 6.4, selected */
	{ "CHECK", IMAP_SELECTED, IMAP_NEWS_ALL, imap_run_check, false },
	{ "CLOSE", IMAP_SELECTED, IMAP_NEWS_NONE, imap_run_close, false },
	{ "UNSELECT", IMAP_SELECTED, IMAP_NEWS_NONE, imap_run_unselect, false },
	{ "EXPUNGE", IMAP_SELECTED, IMAP_NEWS_ALL, imap_run_expunge, true },
	{ "SEARCH", IMAP_SELECTED, IMAP_NEWS_KEEP, imap_run_search, true },
	{ "FETCH", IMAP_SELECTED, IMAP_NEWS_KEEP, imap_run_fetch, true },
	{ "STORE", IMAP_SELECTED, IMAP_NEWS_KEEP, imap_run_store, true },
	{ "COPY", IMAP_SELECTED, IMAP_NEWS_ALL, imap_run_copy, true },
	{ "MOVE", IMAP_SELECTED, IMAP_NEWS_ALL, imap_run_move, true },
};

static const struct imap_command *look_up(struct imap *c, struct imap_rd *rd)
{
	struct str name = imap_atom(rd);
	c->uid = str_ieq(name, STR("UID"));
	if (c->uid) {
		imap_sp(rd);
		name = imap_atom(rd);
	}
	for (size_t i = 0; !rd->why && i < ARRAY_LEN(commands); i++)
		if (str_ieq(name, str_of(commands[i].name)) && (!c->uid || commands[i].uid))
			return &commands[i];
	imap_rd_fail(rd, "there is no such command");
	return NULL;
}

static void refuse_state(struct imap *c)
{
	if (c->state == IMAP_NOT_AUTH)
		imap_bad(c, "log in first");
	else if (c->cmd->states & IMAP_SELECTED)
		imap_bad(c, "select a mailbox first");
	else
		imap_bad(c, "you are logged in already");
}

static void run_command(struct imap *c)
{
	struct imap_rd rd;
	imap_rd_init(&rd, buf_str(&c->line), &c->arena);
	c->tag = imap_tag(&rd);
	if (rd.why)
		c->tag = STR_NONE;
	imap_sp(&rd);
	if (c->over) {
		imap_bad(c, "[TOOBIG] a command may have %d bytes", IMAP_LINE_MAX);
		return;
	}
	c->cmd = look_up(c, &rd);
	if (rd.why) {
		imap_bad(c, "%s", rd.why);
	} else if (!(c->cmd->states & c->state)) {
		refuse_state(c);
	} else {
		unsigned bad = c->bad_commands;
		c->cmd->run(c, &rd);
		if (c->bad_commands == bad)
			c->bad_commands = 0;
	}
}

static os_time command_deadline(const struct imap *c)
{
	return c->state == IMAP_NOT_AUTH ? c->login_by : os_after(c->conf->idle_sec * OS_SEC);
}

/* Nothing to do as far as one knows: say what was held back, keep no memory while waiting. */
static int before_waiting(struct imap *c)
{
	arena_free(&c->arena);
	arena_free(&c->scratch);
	return os_flush(&c->w);
}

/* One command. The answers are held back while the next line is here already. */
static int serve_one(struct imap *c)
{
	struct str ahead = str_n(c->r.room + c->r.at, c->r.n - c->r.at);
	if (str_chr(ahead, '\n') < 0 && before_waiting(c) < 0)
		return ERR_CLOSED;
	arena_reset(&c->arena);
	arena_reset(&c->scratch);
	c->tag = STR_NONE;
	c->cmd = NULL;
	c->uid = c->gone = false;
	int err = imap_read_command(c, command_deadline(c));
	if (err == ERR_TIMEOUT)
		imap_bye(c, c->state == IMAP_NOT_AUTH ? "log in faster" : "idle for too long");
	if (err < 0)
		return err;
	run_command(c);
	err = imap_skip_command(c);
	if (c->tree.arena.used_bytes > TREE_KEEP)
		imap_tree_drop(c);
	if (err == 0 && c->bad_commands >= IMAP_BAD_MAX)
		imap_bye(c, "this does not look like IMAP");
	return err;
}

static int session_begin(struct imap *c)
{
	c->room = malloc(2 * IMAP_ROOM);
	if (!c->room)
		return ERR_NOMEM;
	os_reader_init(&c->r, c->s, c->room, IMAP_ROOM);
	os_writer_init(&c->w, c->s, c->room + IMAP_ROOM, IMAP_ROOM, IMAP_WRITE_SEC * OS_SEC);
	arena_init(&c->arena, IMAP_ARENA_MAX);
	arena_init(&c->scratch, IMAP_ARENA_MAX);
	arena_init(&c->tree.arena, IMAP_ARENA_MAX);
	c->state = IMAP_NOT_AUTH;
	c->login_by = os_after(c->conf->login_sec * OS_SEC);
	imap_put(c, STR("* OK [CAPABILITY "));
	imap_capabilities(c);
	imap_put(c, STR("] Allod ready\r\n"));
	return os_flush(&c->w);
}

static void session_end(struct imap *c, int err)
{
	if (c->room && os_flush(&c->w) < 0 && err == 0)
		err = ERR_CLOSED;
	if (c->acct)
		os_log(OS_INFO, "svc=imap event=logout user=%s why=%s", c->who.user,
			err < 0 ? err_name(err) : "bye");
	imap_view_close(c);
	imap_tree_drop(c);
	arena_free(&c->arena);
	arena_free(&c->scratch);
	if (c->acct)
		mail_account_close(c->acct);
	if (c->room)
		os_wipe(c->room, 2 * IMAP_ROOM);
	free(c->room);
	if (c->s)
		os_stream_close(c->s);
}

void imap_session(const struct imap_config *conf, struct os_stream *s, bool implicit_tls)
{
	struct imap_config full = *conf;
	struct imap *c = NULL;
	full.append_max_bytes =
		conf->append_max_bytes ? conf->append_max_bytes : IMAP_APPEND_MAX_DEFAULT;
	full.login_sec = conf->login_sec ? conf->login_sec : IMAP_LOGIN_SEC;
	full.idle_sec = conf->idle_sec ? conf->idle_sec : IMAP_IDLE_SEC;
	os_time by = os_after(full.login_sec * OS_SEC);
	if (implicit_tls && os_tls_accept(&s, full.tls, s, by) < 0)
		return;
	c = calloc(1, sizeof(*c));
	if (!c) {
		os_stream_close(s);
		return;
	}
	c->conf = &full;
	c->s = s;
	int err = session_begin(c);
	while (err == 0 && c->state != IMAP_LOGOUT)
		err = serve_one(c);
	session_end(c, err);
	free(c);
}
