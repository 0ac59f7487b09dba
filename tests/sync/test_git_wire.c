/* SPDX-License-Identifier: ISC */
/* pkt-lines and requests, without store or network. */
#include "sync/git_wire.h"

#include <criterion/criterion.h>

#define A "1111111111111111111111111111111111111111"
#define B "2222222222222222222222222222222222222222"
#define Z "0000000000000000000000000000000000000000"

Test(git, pkt_lines)
{
	static const struct {
		const char *in;
		int err; /* of the first packet */
		enum pkt_kind kind;
		const char *data;
	} rows[] = { { "0000", 0, PKT_FLUSH, "" }, { "0001", 0, PKT_DELIM, "" },
		{ "0002", 0, PKT_END, "" }, { "0003", ERR_BAD, 0, "" }, { "0004", 0, PKT_DATA, "" },
		{ "0006hi", 0, PKT_DATA, "hi" }, { "0007hi\n", 0, PKT_DATA, "hi" },
		{ "000Ahello\n", 0, PKT_DATA, "hello" }, { "0006h", ERR_AGAIN, 0, "" },
		{ "00", ERR_AGAIN, 0, "" }, { "-001", ERR_BAD, 0, "" }, { "0x10", ERR_BAD, 0, "" },
		{ "ffff", ERR_LIMIT, 0, "" }, { "0405", ERR_LIMIT, 0, "" } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct pkt_reader r = { 0 };
		struct str in = str_of(rows[i].in);
		struct pkt p = { 0 };
		int err = pkt_next(&p, &r, &in);
		cr_expect_eq(err, rows[i].err, "%s: %d", rows[i].in, err);
		if (err < 0)
			continue;
		cr_expect_eq(p.kind, rows[i].kind, "%s", rows[i].in);
		cr_expect(str_eq(p.data, str_of(rows[i].data)), "%s", rows[i].in);
		cr_expect(pkt_at_rest(&r) && in.n == 0, "%s", rows[i].in);
	}
}

Test(git, pkt_line_counts_itself)
{
	struct buf b;

	buf_init(&b, NULL);
	pkt_line(&b, "hello%c%d", 0, 7);
	cr_expect(str_eq(buf_str(&b), str_n("000bhello\0007", 11)));
	buf_free(&b);
}

/* Lines divided by '|'; "." a flush, "," a delimiter. */
static int ask(struct git_ask *q, int version, const char *lines)
{
	struct str line, rest = str_of(lines);
	int err = 0;

	git_ask_init(q, version);
	while (rest.n > 0 && err >= 0 && !q->ended) {
		struct pkt p = { PKT_DATA, STR_NONE };
		str_cut(&line, &rest, rest, '|');
		p.data = line;
		if (str_eq(line, STR(".")))
			p.kind = PKT_FLUSH;
		else if (str_eq(line, STR(",")))
			p.kind = PKT_DELIM;
		err = git_ask_take(q, &p);
	}
	return err;
}

Test(git, requests)
{
	static const struct {
		int version;
		const char *lines;
		int err;
		size_t wants, haves, shallows;
		unsigned depth;
		bool done, ended;
	} rows[] = {
		{ 2, "command=fetch|agent=x|,|thin-pack|want " A "|have " B "|done|.", 0, 1, 1, 0,
			0, true, true },
		{ 2, "command=fetch|,|want " A "|shallow " B "|deepen 7|deepen-relative|.", 0, 1, 0,
			1, 7, false, true },
		{ 2, "command=fetch|,|want " A "|deepen 0|.", ERR_BAD, 1, 0, 0, 0, false, false },
		{ 2, "command=fetch|,|want 11|.", ERR_BAD, 0, 0, 0, 0, false, false },
		{ 2, "command=fetch|,|filter blob:none|.", ERR_UNSUPPORTED, 0, 0, 0, 0, false,
			false },
		{ 2, "command=fetch|,|deepen-since 5|.", ERR_UNSUPPORTED, 0, 0, 0, 0, false,
			false },
		{ 2, "command=fetch|object-format=sha256|,|.", ERR_UNSUPPORTED, 0, 0, 0, 0, false,
			false },
		{ 2, "command=fetch|,|,|.", ERR_BAD, 0, 0, 0, 0, false, false },
		{ 2, ",|want " A "|.", ERR_BAD, 0, 0, 0, 0, false, false },
		{ 2, "command=ls-refs|,|want " A "|.", ERR_BAD, 0, 0, 0, 0, false, false },
		{ 2, "command=push|,|.", ERR_UNSUPPORTED, 0, 0, 0, 0, false, false },
		{ 0, "want " A " side-band-64k|want " B "|.|have " A "|have " B "|.", 0, 2, 2, 0, 0,
			false, true },
		{ 0, "want " A "|deepen 1|.", 0, 1, 0, 0, 1, false, false },
		{ 0, "want " A "|.|done", 0, 1, 0, 0, 0, true, true },
		{ 0, ".", 0, 0, 0, 0, 0, false, true },
		{ 0, "have " A, ERR_BAD, 0, 0, 0, 0, false, false },
		{ 0, "want " A "|.|want " B, ERR_BAD, 1, 0, 0, 0, false, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct git_ask q;
		int err = ask(&q, rows[i].version, rows[i].lines);
		const char *l = rows[i].lines;
		cr_expect_eq(err, rows[i].err, "%s: %d", l, err);
		cr_expect_eq(q.wants.n, rows[i].wants, "%s", l);
		cr_expect_eq(q.haves.n, rows[i].haves, "%s", l);
		cr_expect_eq(q.shallows.n, rows[i].shallows, "%s", l);
		cr_expect_eq(q.depth, rows[i].depth, "%s", l);
		cr_expect_eq(q.done, rows[i].done, "%s", l);
		cr_expect_eq(q.ended, rows[i].ended, "%s", l);
		git_ask_free(&q);
	}
}

Test(git, capabilities_and_prefixes)
{
	struct git_ask q;

	cr_expect_eq(ask(&q, 0, "want " A " multi_ack_detailed no-done side-band-64k foo"), 0);
	cr_expect(q.detailed && q.no_done && q.side_band_64k && !q.multi_ack && !q.side_band);
	git_ask_free(&q);
	cr_expect_eq(ask(&q, 2, "command=ls-refs|,|symrefs|ref-prefix refs/heads/|."), 0);
	cr_expect(q.symrefs && git_ask_prefix(&q, STR("refs/heads/alice")));
	cr_expect(!git_ask_prefix(&q, STR("HEAD")));
	git_ask_free(&q);
}

Test(git, too_many_wants_and_haves)
{
	struct git_ask q;
	struct pkt want = { PKT_DATA, STR("want " A) }, have = { PKT_DATA, STR("have " B) };
	int err = ask(&q, 2, "command=fetch|,");

	cr_expect_eq(err, 0);
	for (size_t i = 0; i < GIT_HAVES_MAX + 10; i++)
		cr_assert_eq(git_ask_take(&q, &have), 0);
	cr_expect_eq(q.haves.n, GIT_HAVES_MAX);
	for (size_t i = 0; i < GIT_WANTS_MAX; i++)
		cr_assert_eq(git_ask_take(&q, &want), 0);
	cr_expect_eq(git_ask_take(&q, &want), ERR_LIMIT);
	git_ask_free(&q);
}

Test(git, who_sees_what)
{
	static const struct {
		const char *user, *ref;
		bool seen;
	} rows[] = { { "alice", "refs/heads/alice", true }, { "alice", "refs/heads/bob", false },
		{ "alice", "refs/heads/alice2", false }, { "alice", "refs/heads/estate", false },
		{ "estate", "refs/heads/estate", false }, { "", "refs/heads/", false },
		{ "alice", "refs/devices/laptop/alice", true },
		{ "alice", "refs/devices/laptop/bob", false },
		{ "alice", "refs/devices/alice", false }, { "alice", "refs/devices//alice", false },
		{ "alice", "refs/endpoints/home/alice", true },
		{ "alice", "refs/endpoints/home/x/alice", false },
		{ "alice", "refs/x/alice", false } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		cr_expect_eq(git_ref_visible(str_of(rows[i].user), str_of(rows[i].ref)),
			rows[i].seen, "%s %s", rows[i].user, rows[i].ref);
	cr_expect_eq(git_version(STR("version=2")), 2);
	cr_expect_eq(git_version(STR("foo=1:version=2")), 2);
	cr_expect_eq(git_version(STR("version=1")), 0);
	cr_expect_eq(git_version(STR_NONE), 0);
}

Test(git, moves)
{
	static const struct {
		const char *lines;
		int err;
		size_t n;
		bool ended;
	} rows[] = {
		{ A " " B " refs/x|.", 0, 1, true },
		{ Z " " B " refs/x|" A " " Z " refs/y|.", 0, 2, true },
		{ "shallow " A "|" A " " B " refs/x|.", 0, 1, true },
		{ ".", 0, 0, true },
		{ A " " B " refs/x", 0, 1, false },
		{ A " " B " |.", ERR_BAD, 0, false },
		{ A " " B "|.", ERR_BAD, 0, false },
		{ A " refs/x|.", ERR_BAD, 0, false },
		{ A " " B " refs/x|" B " " A " refs/x|.", ERR_BAD, 2, false },
		{ "push-cert|.", ERR_UNSUPPORTED, 0, false },
		{ A " " B " refs/x|,", ERR_BAD, 1, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str line, rest = str_of(rows[i].lines);
		struct git_moves q;
		int err = 0;

		git_moves_init(&q);
		while (rest.n > 0 && err >= 0 && !q.ended) {
			struct pkt p = { PKT_DATA, STR_NONE };
			str_cut(&line, &rest, rest, '|');
			p.data = line;
			if (str_eq(line, STR(".")))
				p.kind = PKT_FLUSH;
			else if (str_eq(line, STR(",")))
				p.kind = PKT_DELIM;
			err = git_moves_take(&q, &p);
		}
		cr_expect_eq(err, rows[i].err, "%s: %d", rows[i].lines, err);
		cr_expect_eq(q.n, rows[i].n, "%s", rows[i].lines);
		cr_expect_eq(q.ended, rows[i].ended, "%s", rows[i].lines);
		git_moves_free(&q);
	}
}

Test(git, moves_and_their_words)
{
	static const char text[] =
		Z " " B " refs/x\0 report-status-v2 side-band-64k atomic quiet x";
	struct git_moves q;
	struct pkt p = { PKT_DATA, str_n(text, sizeof(text) - 1) };

	git_moves_init(&q);
	cr_expect_eq(git_moves_take(&q, &p), 0);
	cr_expect(q.report && q.side_band_64k && q.atomic && q.quiet);
	cr_expect(str_eq(q.p[0].ref, STR("refs/x")) && !q.p[0].has_from && q.p[0].has_to);
	for (int i = 1; i < GIT_MOVES_MAX; i++) {
		char line[100];
		snprintf(line, sizeof(line), A " " B " refs/%d", i);
		p.data = str_of(line);
		cr_assert_eq(git_moves_take(&q, &p), 0);
	}
	cr_expect_eq(git_moves_take(&q, &(struct pkt){ PKT_DATA, STR(A " " B " refs/more") }),
		ERR_LIMIT);
	git_moves_free(&q);
}

Test(git, where_a_device_may_push)
{
	static const struct {
		const char *only, *ref, *device, *said; /* device or said */
	} rows[] = {
		{ "", "refs/devices/laptop/alice", "laptop", NULL },
		{ "", "refs/devices/my-2/alice", "my-2", NULL },
		{ "", "refs/heads/alice", NULL, "written by this server alone" },
		{ "", "refs/heads/bob", NULL, "push to refs/devices/<device>/alice" },
		{ "", "refs/heads/estate", NULL, "not taken here" },
		{ "", "refs/devices/laptop/bob", NULL, "not taken here" },
		{ "", "refs/devices/laptop/x/alice", NULL, "not taken here" },
		{ "", "refs/devices//alice", NULL, "not taken here" },
		{ "", "refs/devices/Laptop/alice", NULL, "lower-case" },
		{ "", "refs/devices/l.p/alice", NULL, "lower-case" },
		{ "",
			"refs/devices/"
			"0123456789012345678901234567890123456789012345678901234567890123/alice",
			NULL, "lower-case" },
		{ "", "refs/endpoints/x/alice", NULL, "not taken here" },
		{ "", "refs/tags/v1", NULL, "not taken here" },
		/* by the token of one device */
		{ "laptop", "refs/devices/laptop/alice", "laptop", NULL },
		{ "laptop", "refs/devices/phone/alice", NULL, "push to refs/devices/laptop/alice" },
		{ "laptop", "refs/devices/laptop2/alice", NULL, "the device's called laptop" },
		{ "laptop", "refs/devices/lapto/alice", NULL, "the device's called laptop" },
		{ "laptop", "refs/devices/laptop/bob", NULL, "not taken here" },
		{ "laptop", "refs/heads/alice", NULL, "written by this server alone" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str device = STR_NONE;
		int err = git_push_ref(
			&device, STR("alice"), str_of(rows[i].only), str_of(rows[i].ref));
		if (rows[i].device)
			cr_expect(err == 0 && str_eq(device, str_of(rows[i].device)), "%s",
				rows[i].ref);
		else
			cr_expect(err == ERR_DENIED && strstr(err_text(err), rows[i].said),
				"%s: %s", rows[i].ref, err_text(err));
	}
}
