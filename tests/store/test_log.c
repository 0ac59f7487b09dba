/* SPDX-License-Identifier: ISC */
/*
 * The object log alone, on a disk in memory: what was written replays, what was torn is cut, what
 * was damaged is told. A group's contents follow from its number and size, so that what replay
 * finds can be compared.
 */
#include "store/log_part_impl.h"
#include "store/store_impl.h"
#include "tests/store/help.h"

#define UNITS     15
#define DISK      (2 * MIB)
#define PLACES    4096
#define OBJECT(n) ((n) % 7 * 3001 + 10)

static const struct log_geometry geometry = {
	.uuid = "0123456789abcdef", .base = 65536, .unit_bytes = LOG_UNIT_LEAST, .units = UNITS
};

struct world {
	struct fake_disk *f;
	struct log *l;
	struct unit units[UNITS];
	struct log_pos start;
	struct buf want, got; /* one line per group: number, records, sum of them */
	uint64_t seq;
	struct place places[PLACES];
	size_t n;
	unsigned records; /* of the group being replayed */
	uint64_t sum;
};

static struct store_oid id_of(uint64_t seq, unsigned i)
{
	struct store_oid id = { { 0 } };
	memcpy(id.b, &seq, sizeof(seq));
	memcpy(id.b + 8, &i, sizeof(i));
	return id;
}

static uint64_t mix(uint64_t sum, const struct log_record *r)
{
	const struct str parts[] = { oid_str(&r->id), r->key, r->value, r->bytes };

	sum = sum * 31 + r->kind * 7 + r->size + r->content * 3 + r->frame;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		for (size_t k = 0; k < parts[i].n; k++)
			sum = (sum ^ (uint8_t)parts[i].p[k]) * 1099511628211u;
	return sum;
}

/* Record number i of a group. */
static struct log_record record_of(uint64_t seq, unsigned i, char *room)
{
	struct log_record r = { .kind = (enum log_kind)(1 + i % 5), .id = id_of(seq, i) };
	size_t n = OBJECT(seq + i * 3);

	noise(room, n, seq * 1000 + i);
	if (r.kind != LOG_OBJECT && r.kind != LOG_BIG)
		memset(&r.id, 0, sizeof(r.id));
	switch (r.kind) {
	case LOG_OBJECT:
		r.type = OBJ_TREE;
		r.size = n * 2;
		r.bytes = str_n(room, n);
		break;
	case LOG_BIG:
		r.type = OBJ_BLOB;
		r.size = 1 << 20;
		r.content = seq;
		break;
	case LOG_FRAME:
		r.content = seq;
		r.frame = i;
		r.bytes = str_n(room, n);
		break;
	case LOG_PUT:
		r.table = KV_LOCAL;
		r.key = str_n(room, n % 400 + 1);
		r.value = str_n(room, n);
		break;
	default:
		r.table = KV_ROW;
		r.key = str_n(room, n % 300 + 1);
		break;
	}
	return r;
}

static int write_record(struct place *at, struct log *l, const struct log_record *r)
{
	switch (r->kind) {
	case LOG_OBJECT: return log_object(at, l, &r->id, r->type, r->size, r->bytes);
	case LOG_BIG: return log_big(at, l, &r->id, r->type, r->size, r->content);
	case LOG_FRAME: return log_frame(at, l, r->content, r->frame, r->bytes);
	case LOG_PUT: return log_put(l, r->table, r->key, r->value);
	default: return log_del(l, r->table, r->key);
	}
}

static int fill_group(struct world *w, uint64_t seq, unsigned records, uint64_t *sum)
{
	static char room[65536];
	int err = log_begin(w->l, seq);

	*sum = 0;
	for (unsigned i = 0; i < records && err >= 0; i++) {
		struct log_record r = record_of(seq, i, room);
		struct place at;
		err = write_record(&at, w->l, &r);
		*sum = mix(*sum, &r);
		if (err >= 0 && record_has_place(r.kind) && w->n < PLACES)
			w->places[w->n++] = at;
	}
	return err;
}

static void line(struct buf *b, uint64_t seq, unsigned records, uint64_t sum)
{
	buf_fmt(b, "%llu %u %llx\n", (unsigned long long)seq, records, (unsigned long long)sum);
}

static int append(struct world *w, unsigned records)
{
	uint64_t sum;
	int err = fill_group(w, w->seq + 1, records, &sum);

	if (err >= 0)
		err = log_commit(w->l);
	if (err < 0) {
		log_abort(w->l);
		return err;
	}
	line(&w->want, ++w->seq, records, sum);
	return 0;
}

static void give_up(struct world *w, unsigned records)
{
	uint64_t sum;
	size_t n = w->n;
	OK(fill_group(w, w->seq + 1, records, &sum));
	log_abort(w->l);
	w->n = n;
}

static void start(struct world *w)
{
	*w = (struct world){ .f = fake_disk_new(DISK) };
	buf_init(&w->want, NULL);
	buf_init(&w->got, NULL);
	OK(log_format(&w->start, &w->f->d, &geometry));
	OK(log_open(&w->l, &w->f->d, &geometry, w->units, &w->start));
}

static void end(struct world *w)
{
	log_close(w->l);
	os_disk_close(&w->f->d);
	buf_free(&w->want);
	buf_free(&w->got);
}

static int see_record(void *ctx, uint64_t seq, const struct log_record *r)
{
	struct world *w = ctx;
	(void)seq;
	w->records++;
	w->sum = mix(w->sum, r);
	if (record_has_place(r->kind)) {
		static uint8_t room[LOG_RECORD_MAX];
		struct log_record again;
		OK(log_read(&again, w->l, &r->place, room));
		cr_expect_eq(mix(0, &again), mix(0, r));
	}
	return 0;
}

static int see_group(void *ctx, uint64_t seq, const struct log_pos *after)
{
	struct world *w = ctx;
	line(&w->got, seq, w->records, w->sum);
	cr_expect_eq(after->seq, seq);
	w->records = 0;
	w->sum = 0;
	w->seq = seq;
	return 0;
}

/* Opens what is on the disk now from the start position. */
static int replay(struct world *w, struct fake_disk *f)
{
	log_close(w->l);
	w->l = NULL;
	w->got.n = 0;
	w->records = 0;
	w->sum = 0;
	memset(w->units, 0, sizeof(w->units));
	OK(log_open(&w->l, &f->d, &geometry, w->units, &w->start));
	return log_replay(w->l, see_record, see_group, w);
}

static void same(struct world *w, const char *what)
{
	cr_assert(str_eq(buf_str(&w->want), buf_str(&w->got)), "%s: wanted\n%.*sgot\n%.*s", what,
		STR_ARG(buf_str(&w->want)), STR_ARG(buf_str(&w->got)));
}

static int count_record(void *ctx, uint64_t seq, const struct log_record *r)
{
	struct world *w = ctx;
	(void)seq;
	if (record_has_place(r->kind)) {
		cr_expect_eq(r->place.ordinal, w->records);
		w->records++;
	}
	return 0;
}

/* Each unit alone holds what its entry says. */
static void scan_all(struct world *w)
{
	for (uint32_t u = 0; u < UNITS; u++) {
		if (w->units[u].state != UNIT_LOG || !w->units[u].generation)
			continue;
		w->records = 0;
		OK(log_unit_scan(w->l, u, count_record, w));
		cr_expect_eq(w->records, w->units[u].records, "unit %u: %u, not %u", (unsigned)u,
			w->records, (unsigned)w->units[u].records);
	}
	w->records = 0;
}

/* ---- what was written ---- */
Test(log, what_is_written_replays)
{
	static const unsigned sizes[] = { 1, 0, 3, 40, 1, 1, 2, 60, 0, 5, 17 };
	struct world w;

	start(&w);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		if (i % 3 == 1)
			give_up(&w, (unsigned)i * 7); /* of other sizes, over unit ends as well */
		OK(append(&w, sizes[i]));
		scan_all(&w);
	}
	uint32_t left = log_units_free(w.l);
	OK(replay(&w, w.f));
	same(&w, "replay");
	cr_expect_eq(log_units_free(w.l), left);
	scan_all(&w);
	OK(append(&w, 9)); /* it goes on where it stood */
	OK(replay(&w, w.f));
	same(&w, "again");
	end(&w);
}

Test(log, a_full_log_refuses_and_goes_on_when_units_are_freed)
{
	struct world w;
	struct log_pos at;
	uint32_t first;
	int err = 0;

	start(&w);
	OK(log_units_take(&first, w.l, 3));
	cr_expect_eq(first, UNITS - 3);
	while (err >= 0)
		err = append(&w, 25);
	cr_assert_eq(err, ERR_NOSPACE, "%s", err_text(err));
	OK(append(&w, 1)); /* what fits still goes */
	cr_expect_eq(log_units_take(&first, w.l, 1), ERR_NOSPACE);
	/* Round and round, from a position noted on the way. */
	for (unsigned round = 0; round < 100; round++) {
		uint32_t oldest = UNITS;
		log_tell(&at, w.l);
		for (uint32_t u = 0; u < UNITS; u++)
			if (w.units[u].state == UNIT_LOG && w.units[u].generation > 0 &&
				w.units[u].generation < at.generation &&
				(oldest == UNITS ||
					w.units[u].generation < w.units[oldest].generation))
				oldest = u;
		log_unit_free(w.l, oldest);
		w.start = at;
		w.want.n = 0;
		for (unsigned i = 0; i < 8; i++) {
			err = append(&w, round % 5 * 2);
			cr_assert(err >= 0 || err == ERR_NOSPACE);
		}
		struct unit before[UNITS];
		memcpy(before, w.units, sizeof(before));
		log_close(w.l);
		w.l = NULL;
		w.got.n = 0;
		OK(log_open(&w.l, &w.f->d, &geometry, w.units, &w.start));
		OK(log_replay(w.l, see_record, see_group, &w));
		same(&w, "round");
		for (uint32_t u = 0; u < UNITS; u++)
			cr_expect(before[u].state == w.units[u].state &&
					before[u].generation == w.units[u].generation &&
					before[u].records == w.units[u].records,
				"round %u, unit %u", round, (unsigned)u);
	}
	end(&w);
}

/* ---- torn tails ---- */
/* Every block that `after` has changed, in turn missing: the last group is gone, no other. */
static void each_block_missing(unsigned before, unsigned last, unsigned next)
{
	struct world w;
	struct fake_disk *f;
	size_t want, tried = 0;

	start(&w);
	OK(append(&w, 2));
	OK(append(&w, before));
	want = w.want.n;
	uint8_t *old = malloc(DISK);
	memcpy(old, w.f->live, DISK);
	OK(append(&w, last));
	f = w.f;
	uint8_t *whole = malloc(DISK);
	memcpy(whole, f->live, DISK);
	for (size_t at = 0; at < DISK; at += LOG_BLOCK) {
		if (!memcmp(old + at, whole + at, LOG_BLOCK))
			continue;
		tried++;
		memcpy(f->live, whole, DISK);
		memcpy(f->live + at, old + at, LOG_BLOCK);
		w.want.n = want;
		OK(replay(&w, f));
		same(&w, "cut");
		/* Another group in its place; nothing of the old one comes back. */
		OK(append(&w, next));
		OK(append(&w, 1));
		OK(replay(&w, f));
		same(&w, "after a cut");
		scan_all(&w);
	}
	cr_assert_gt(tried, last ? 2 : 0);
	free(old);
	free(whole);
	end(&w);
}

/* Breakage it catches: a group that counts without its last part; parts of an older attempt that
 * replay with a newer one. */
Test(log, any_block_of_the_last_group_missing)
{
	each_block_missing(3, 3, 1);
	each_block_missing(3, 60, 1);   /* over several units, then a short one */
	each_block_missing(20, 12, 70); /* then a longer one */
	each_block_missing(24, 2, 26);
	each_block_missing(5, 1, 30);
}

/* The last group in part, then one too large for what is left of the unit: the old part must not
 * be taken for the beginning of what follows it there. */
Test(log, a_stale_part_before_the_units_end)
{
	for (unsigned first = 1; first < 30; first++) {
		struct world w;
		uint64_t seed = first;
		start(&w);
		OK(append(&w, first));
		give_up(&w, 24);
		struct fake_disk *cut = fake_disk_cut(w.f, &seed), *was = w.f;
		w.f = cut;
		OK(replay(&w, cut));
		same(&w, "cut");
		OK(append(&w, 30 - first));
		OK(append(&w, 1));
		OK(replay(&w, cut));
		same(&w, "another");
		os_disk_close(&was->d);
		end(&w);
	}
}

/* ---- damage ---- */
Test(log, damage_with_sound_groups_behind_it_is_told)
{
	struct world w;
	struct log_pos at[4];
	struct place *first;

	start(&w);
	for (unsigned i = 0; i < 4; i++) {
		OK(append(&w, i == 1 ? 30 : 2));
		log_tell(&at[i], w.l);
	}
	cr_assert_gt(at[1].unit, at[0].unit);
	first = &w.places[0];
	const uint64_t places[] = { log_offset(w.l, first->unit, first->at), /* the first group */
		log_offset(w.l, at[0].unit, at[0].at),                       /* head of a part */
		log_offset(w.l, at[0].unit, at[0].at + 2000),                /* its payload */
		log_offset(w.l, at[0].unit, at[0].at + 70000), log_offset(w.l, at[1].unit, 16),
		log_offset(w.l, at[1].unit, LOG_BLOCK + 100), /* a later part of it */
		log_offset(w.l, at[1].unit, at[1].at + 40),
		log_offset(w.l, at[2].unit, at[2].at - 900) };
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		w.f->live[places[i]] ^= 16;
		int err = replay(&w, w.f);
		cr_expect_eq(err, ERR_CORRUPT, "%zu", i);
		cr_expect_not_null(strstr(err_text(err), "unit "), "%s", err_text(err));
		cr_expect_eq(log_begin(w.l, 100), ERR_CORRUPT, "read-only");
		cr_expect_not_null(strstr(err_text(err), "unit "), "%s", err_text(err));
		w.f->live[places[i]] ^= 16;
		OK(replay(&w, w.f));
		same(&w, "mended");
	}
	end(&w);
}

Test(log, one_damaged_record_is_named)
{
	static uint8_t room[LOG_RECORD_MAX];
	struct world w;
	struct log_record r;

	start(&w);
	OK(append(&w, 10));
	for (size_t i = 0; i < w.n; i++) {
		struct place p = w.places[i];
		OK(log_read(&r, w.l, &p, room));
		for (uint32_t k = 0; k < p.n; k += 1 + p.n / 40) {
			uint8_t *b = &w.f->live[log_offset(w.l, p.unit, p.at + k)];
			*b ^= 1;
			cr_expect_eq(log_read(&r, w.l, &p, room), ERR_CORRUPT, "%zu: byte %u", i,
				(unsigned)k);
			*b ^= 1;
		}
		p.at++;
		cr_expect_eq(log_read(&r, w.l, &p, room), ERR_CORRUPT);
		p.unit = UNITS;
		cr_expect_eq(log_read(&r, w.l, &p, room), ERR_CORRUPT);
	}
	w.f->live[log_offset(w.l, 0, LOG_BLOCK + 300)] ^= 1;
	cr_expect_eq(log_unit_scan(w.l, 0, count_record, &w), ERR_CORRUPT);
	w.f->fail_after = 1;
	w.f->fails_reads = true;
	cr_expect_eq(log_read(&r, w.l, &w.places[0], room), ERR_IO);
	cr_expect_not_null(strstr(err_text(ERR_IO), "unit 0"), "%s", err_text(ERR_IO));
	end(&w);
}

/* ---- a disk that fails ---- */
Test(log, after_a_failure_everything_is_refused)
{
	for (unsigned n = 1; n < 40; n++) {
		struct world w;
		int err = 0;
		start(&w);
		OK(append(&w, 2));
		w.f->fail_after = n;
		for (unsigned i = 0; i < 3 && err >= 0; i++)
			err = append(&w, i == 1 ? 40 : 3);
		if (err >= 0) {
			end(&w);
			cr_assert_gt(n, 6);
			return;
		}
		cr_assert_eq(err, ERR_IO, "%u: %s", n, err_text(err));
		w.f->fail_after = 0; /* healed: too late */
		uint64_t flushes = w.f->flushes, writes = w.f->writes;
		cr_expect_eq(append(&w, 1), ERR_IO);
		cr_expect_eq(log_begin(w.l, w.seq + 2), ERR_IO);
		cr_expect_eq(
			w.f->flushes + w.f->writes, flushes + writes, "nothing is tried again");
		/* What was acknowledged is there; the group that failed may be. */
		OK(replay(&w, w.f));
		cr_expect(str_starts(buf_str(&w.got), buf_str(&w.want)));
		end(&w);
	}
	cr_assert(false, "it never came to an end");
}

/* Breakage it catches: a commit that does not flush. */
Test(log, power_cuts_keep_what_was_acknowledged)
{
	uint64_t seed = 11;

	for (unsigned run = 0; run < 60; run++) {
		struct world w;
		start(&w);
		OK(os_disk_flush(&w.f->d));
		for (unsigned life = 0; life < 6; life++) {
			size_t acked;
			for (unsigned i = fake_random(&seed) % 4; i > 0; i--) {
				if (fake_random(&seed) % 4 == 0)
					give_up(&w, fake_random(&seed) % 30);
				int err = append(&w, fake_random(&seed) % (i == 2 ? 40 : 5));
				cr_assert(err >= 0 || err == ERR_NOSPACE);
			}
			acked = w.want.n;
			uint64_t sum;
			if (fill_group(&w, w.seq + 1, fake_random(&seed) % 30, &sum) >= 0 &&
				fake_random(&seed) % 2) { /* cut in the flush itself */
				w.f->ignores_flush = true;
				OK(log_commit(w.l));
				line(&w.want, w.seq + 1, 0, 0);
			}
			struct fake_disk *cut = fake_disk_cut(w.f, &seed);
			OK(replay(&w, cut));
			cr_assert_geq(w.got.n, acked);
			cr_assert(!memcmp(w.got.p ? w.got.p : "", w.want.p ? w.want.p : "", acked));
			os_disk_close(&w.f->d);
			w.f = cut;
			w.want.n = 0;
			buf_add(&w.want, buf_str(&w.got));
			w.n = 0;
		}
		end(&w);
	}
}
