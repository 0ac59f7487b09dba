/* SPDX-License-Identifier: ISC */
/*
 * A score for every account and every address (an IPv6 /64 counts as one): a failure adds one, half
 *a minute takes one away. What a score costs:
 *
 *	address that logged in during the last day: nothing up to 30, then a wait, refused from 1000
 *	any other address:                          nothing up to 3, then a wait, refused from 100
 *	account, asked from such another address:   nothing up to 50, then 5 s; never refused, or
 *anybody could lock its owner out
 *
 * The table is of fixed size: four places for a key, the lowest score goes.
 */
#include "identity/guard.h"
#include "os/crypto.h"

#define BUCKETS      1024
#define WAYS         4
#define DECAY        (30 * OS_SEC)
#define TRUST        (24 * 3600 * OS_SEC)
#define WAIT_FIRST   (250 * OS_MS)
#define WAIT_MAX     (15 * OS_SEC)
#define ACCOUNT_FREE 50
#define ACCOUNT_WAIT (5 * OS_SEC)

struct entry {
	uint64_t key; /* 0: free */
	uint32_t score;
	os_time scored;     /* when the score was last right */
	os_time good_until; /* trusted until then */
};
struct id_guard {
	uint8_t secret[32]; /* so that nobody can aim at a bucket */
	struct entry table[BUCKETS][WAYS];
};

int id_guard_open(struct id_guard **out)
{
	*out = calloc(1, sizeof(**out));
	if (!*out)
		return ERR_NOMEM;
	os_random((*out)->secret, sizeof((*out)->secret));
	return 0;
}

static uint32_t score_now(const struct entry *e, os_time now)
{
	uint64_t gone = (uint64_t)((now - e->scored) / DECAY);

	return gone >= e->score ? 0 : e->score - (uint32_t)gone;
}

static uint64_t key_of(const struct id_guard *g, char kind, struct str what)
{
	char low[1 + 256];
	uint8_t mac[OS_MAC_BYTES];
	uint64_t key;
	size_t n = what.n < 256 ? what.n : 256;

	low[0] = kind;
	for (size_t i = 0; i < n; i++)
		low[1 + i] =
			what.p[i] >= 'A' && what.p[i] <= 'Z' ? (char)(what.p[i] + 32) : what.p[i];
	os_mac(mac, str_n(g->secret, sizeof(g->secret)), str_n(low, n + 1));
	memcpy(&key, mac, sizeof(key));
	return key ? key : 1;
}

static uint64_t account_key(const struct id_guard *g, struct str login)
{
	struct str local, domain;

	str_cut(&local, &domain, login, '@');
	str_cut(&local, &domain, local, '+'); /* a tag does not make another account */
	return key_of(g, 'a', local);
}

static uint64_t address_key(const struct id_guard *g, const struct os_addr *peer)
{
	static const uint8_t v4[12] = { [10] = 0xff, [11] = 0xff };
	bool is_v4 = memcmp(peer->ip, v4, sizeof(v4)) == 0;

	return key_of(g, 'i', str_n(peer->ip, is_v4 ? 16 : 8));
}

static struct entry *look(struct id_guard *g, uint64_t key)
{
	struct entry *row = g->table[key % BUCKETS];

	for (int i = 0; i < WAYS; i++)
		if (row[i].key == key)
			return &row[i];
	return NULL;
}

static struct entry *place(struct id_guard *g, uint64_t key, os_time now)
{
	struct entry *row = g->table[key % BUCKETS], *least = row, *e = look(g, key);

	if (e)
		return e;
	for (int i = 1; i < WAYS; i++)
		if (score_now(&row[i], now) < score_now(least, now))
			least = &row[i];
	*least = (struct entry){ .key = key, .scored = now };
	return least;
}

int id_guard_delay(os_time *wait, struct id_guard *g, struct str login, const struct os_addr *peer)
{
	os_time now = os_now();
	const struct entry *addr = look(g, address_key(g, peer)),
			   *acct = look(g, account_key(g, login));
	bool trusted = addr && addr->good_until > now;
	uint32_t score = addr ? score_now(addr, now) : 0, allowed = trusted ? 30 : 3;

	*wait = 0;
	if (score >= (trusted ? 1000u : 100u))
		return err_set(ERR_DENIED,
			"too many failed logins from your address, try again in an hour");
	if (score > allowed) {
		uint32_t over = score - allowed - 1;

		*wait = over > 6 ? WAIT_MAX : WAIT_FIRST << over;
		if (*wait > WAIT_MAX)
			*wait = WAIT_MAX;
	}
	if (!trusted && acct && score_now(acct, now) > ACCOUNT_FREE && *wait < ACCOUNT_WAIT)
		*wait = ACCOUNT_WAIT;
	return 0;
}

static void fail(struct id_guard *g, uint64_t key, os_time now)
{
	struct entry *e = place(g, key, now);
	uint32_t score = score_now(e, now);

	e->score = score < 1000000 ? score + 1 : score;
	e->scored = now;
}

void id_guard_result(struct id_guard *g, struct str login, const struct os_addr *peer, bool good)
{
	os_time now = os_now();

	if (good) {
		place(g, address_key(g, peer), now)->good_until = now + TRUST;
		return;
	}
	fail(g, address_key(g, peer), now);
	fail(g, account_key(g, login), now);
}
