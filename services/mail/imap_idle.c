/* SPDX-License-Identifier: ISC */
/* IDLE (RFC 2177): news as they come, until DONE. */
#include "services/mail/imap_impl.h"

#define DONE_SEC 60 /* for the rest of a line that was begun */

/* 0: the client said something; ERR_TIMEOUT: nothing for too long. */
static int wait(struct imap *c, struct os_waitq *q, os_time deadline)
{
	for (;;) {
		imap_news(c, IMAP_NEWS_ALL);
		int err = os_flush(&c->w);
		if (err < 0)
			return err;
		if (c->state == IMAP_LOGOUT || os_reader_ready(&c->r))
			return 0;
		if (imap_news_waiting(c))
			continue;
		err = os_wait(q, deadline);
		if (err < 0)
			return err;
	}
}

void imap_run_idle(struct imap *c, struct imap_rd *rd)
{
	struct os_waitq q = OS_WAITQ;
	struct str line;
	imap_end(rd);
	if (rd->why) {
		imap_bad_args(c, rd);
		return;
	}
	arena_free(&c->scratch);
	imap_put(c, STR("+ idling\r\n"));
	os_stream_notify(c->s, &q);
	if (c->view.box)
		mail_box_join(c->view.box, &q);
	int err = wait(c, &q, os_after(c->conf->idle_sec * OS_SEC));
	if (c->view.box)
		mail_box_leave(c->view.box, &q);
	os_stream_notify(c->s, NULL);
	if (err == 0 && c->state != IMAP_LOGOUT)
		err = imap_read_plain(&line, c, os_after(DONE_SEC * OS_SEC));
	if (c->state == IMAP_LOGOUT)
		return;
	if (err == ERR_TIMEOUT)
		imap_bye(c, "idle for too long");
	else if (err < 0)
		c->state = IMAP_LOGOUT;
	else if (!str_ieq(line, STR("DONE")))
		imap_bad(c, "expected DONE");
	else
		imap_ok(c, "done");
}
