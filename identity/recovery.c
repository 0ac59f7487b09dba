/* SPDX-License-Identifier: ISC */
#include "identity/recovery.h"
#include "os/crypto.h"

#include <sodium.h>
#include <stdlib.h>

#define GROUPS      7
#define GROUP_CHARS 5
#define GROUP_DATA  (GROUP_CHARS - 1)
#define CODE_CHARS  (GROUPS * GROUP_CHARS)
#define SEED_KEY    "allod recovery code, version 1"
#define MAGIC       "allod sealed 1\n"
#define KEY_ID      8 /* bytes of the key's hash that stand in the open */
#define HEAD_BYTES  (sizeof(MAGIC) - 1 + KEY_ID)

static const char letters[] = "abcdefghijkmnpqrstuvwxyz23456789"; /* 32, none that look alike */

/* ---- the check of a group ---- */
/* Times x in GF(32), x^5 + x^2 + 1. */
static unsigned twice(unsigned a)
{
	a <<= 1;
	return a & 32 ? a ^ 0x25 : a;
}

/* Any one character changed, any two exchanged, and a group in another's place show. */
static unsigned check_of(const uint8_t *data, unsigned group)
{
	unsigned sum = 0;

	for (size_t i = 0; i < GROUP_DATA; i++)
		sum = twice(sum ^ data[i]);
	return sum ^ (group + 1);
}

/* ---- a code and its keys ---- */
static void keys_of(struct id_code *out, const uint8_t data[static CODE_CHARS])
{
	uint8_t plain[GROUPS * GROUP_DATA], seed[crypto_box_SEEDBYTES];
	size_t n = 0;

	_Static_assert(sizeof(out->key.b) == crypto_box_PUBLICKEYBYTES, "public key");
	_Static_assert(sizeof(out->open) == crypto_box_SECRETKEYBYTES, "secret key");
	for (size_t i = 0; i < CODE_CHARS; i++)
		if (i % GROUP_CHARS != GROUP_DATA)
			plain[n++] = data[i];
	os_mac(seed, STR(SEED_KEY), str_n(plain, n));
	crypto_box_seed_keypair(out->key.b, out->open, seed);
	os_wipe(plain, sizeof(plain));
	os_wipe(seed, sizeof(seed));
}

void id_recovery_make(char code[static ID_CODE_TEXT], struct id_seal_key *key)
{
	uint8_t data[CODE_CHARS];
	struct id_code secret;
	size_t n = 0;

	os_random(data, sizeof(data));
	for (unsigned g = 0; g < GROUPS; g++) {
		uint8_t *group = data + g * GROUP_CHARS;

		for (size_t i = 0; i < GROUP_DATA; i++)
			group[i] &= 31;
		group[GROUP_DATA] = (uint8_t)check_of(group, g);
		if (g > 0)
			code[n++] = '-';
		for (size_t i = 0; i < GROUP_CHARS; i++)
			code[n++] = letters[group[i]];
	}
	code[n] = '\0';
	os_assert(n + 1 == ID_CODE_TEXT);
	keys_of(&secret, data);
	*key = secret.key;
	id_recovery_wipe(&secret);
	os_wipe(data, sizeof(data));
}

void id_recovery_wipe(struct id_code *code)
{
	os_wipe(code, sizeof(*code));
}

static int take_char(uint8_t *out, char c, unsigned group)
{
	const char *at;

	if (c >= 'A' && c <= 'Z')
		c = (char)(c + 32);
	at = c ? strchr(letters, c) : NULL;
	if (at) {
		*out = (uint8_t)(at - letters);
		return 0;
	}
	if (c == 'l' || c == '1')
		return err_set(ERR_BAD, "group %u: there is no \"%c\" in a code; perhaps an \"i\"?",
			group + 1, c);
	if (c > ' ' && c < 127)
		return err_set(ERR_BAD, "group %u: there is no \"%c\" in a code", group + 1, c);
	return err_set(ERR_BAD, "group %u holds something that is no letter or digit", group + 1);
}

static bool is_gap(char c)
{
	return c == '-' || c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static int check_groups(const uint8_t data[static CODE_CHARS])
{
	for (unsigned g = 0; g < GROUPS; g++) {
		const uint8_t *group = data + g * GROUP_CHARS;

		if (check_of(group, g) != group[GROUP_DATA])
			return err_set(ERR_BAD, "group %u of the code (\"%c%c%c%c%c\") is mistyped",
				g + 1, letters[group[0]], letters[group[1]], letters[group[2]],
				letters[group[3]], letters[group[4]]);
	}
	return 0;
}

static int read_chars(uint8_t data[static CODE_CHARS], struct str typed)
{
	size_t n = 0;

	for (size_t i = 0; i < typed.n; i++) {
		unsigned group = (unsigned)(n / GROUP_CHARS);
		int err;

		if (is_gap(typed.p[i])) {
			if (n % GROUP_CHARS)
				return err_set(ERR_BAD,
					"group %u of the code has %zu characters, not %d",
					group + 1, n % GROUP_CHARS, GROUP_CHARS);
			continue;
		}
		if (n == CODE_CHARS)
			return err_set(ERR_BAD,
				"the code is too long: it has %d groups of %d characters", GROUPS,
				GROUP_CHARS);
		err = take_char(&data[n], typed.p[i], group);
		if (err < 0)
			return err;
		n++;
	}
	if (n < CODE_CHARS)
		return err_set(ERR_BAD, "the code ends after %zu of %d characters", n, CODE_CHARS);
	return 0;
}

int id_recovery_parse(struct id_code *out, struct str typed)
{
	uint8_t data[CODE_CHARS];
	int err = read_chars(data, str_trim(typed));

	if (err == 0)
		err = check_groups(data);
	if (err == 0)
		keys_of(out, data);
	os_wipe(data, sizeof(data));
	return err;
}

void id_recovery_key_text(struct buf *out, const struct id_seal_key *key)
{
	os_hex(out, str_n(key->b, sizeof(key->b)));
	buf_addc(out, '\n');
}

int id_recovery_key_parse(struct id_seal_key *out, struct str text)
{
	int err = os_unhex(out->b, sizeof(out->b), str_trim(text));

	return err < 0 ? err_set(ERR_BAD, "the key for sealing backups is damaged") : 0;
}

/* ---- sealing ---- */
static void key_id(uint8_t out[static KEY_ID], const struct id_seal_key *key)
{
	uint8_t mac[OS_MAC_BYTES];

	os_mac(mac, STR(SEED_KEY), str_n(key->b, sizeof(key->b)));
	memcpy(out, mac, KEY_ID);
}

int id_recovery_seal(struct buf *out, const struct id_seal_key *key, struct str bytes)
{
	uint8_t id[KEY_ID];
	uint8_t *room;

	if (bytes.n > ID_SEALED_MAX)
		return err_set(ERR_LIMIT, "over %u bytes to seal", ID_SEALED_MAX);
	room = malloc(bytes.n + crypto_box_SEALBYTES);
	if (!room)
		return err_set(ERR_NOMEM, "out of memory");
	if (crypto_box_seal(room, (const uint8_t *)bytes.p, bytes.n, key->b) != 0) {
		free(room);
		return err_set(ERR_BAD, "the key for sealing backups is damaged");
	}
	key_id(id, key);
	buf_add(out, STR(MAGIC));
	buf_add(out, str_n(id, sizeof(id)));
	buf_add(out, str_n(room, bytes.n + crypto_box_SEALBYTES));
	free(room);
	return out->err;
}

int id_recovery_open(struct buf *out, const struct id_code *code, struct str sealed)
{
	struct str box = str_sub(sealed, HEAD_BYTES, sealed.n);
	uint8_t id[KEY_ID], *room;
	size_t n;
	int err = 0;

	if (!str_starts(sealed, STR(MAGIC)) || sealed.n < HEAD_BYTES)
		return err_set(ERR_BAD, "it was not sealed by allod");
	if (sealed.n > ID_SEALED_MAX + HEAD_BYTES + crypto_box_SEALBYTES)
		return err_set(ERR_LIMIT, "it is too long");
	key_id(id, &code->key);
	if (memcmp(sealed.p + sizeof(MAGIC) - 1, id, KEY_ID) != 0)
		return err_set(ERR_DENIED,
			"the code is well typed, but it belongs to another estate, or a newer one "
			"took its place");
	if (box.n < crypto_box_SEALBYTES)
		return err_set(ERR_CORRUPT, "it is cut short");
	n = box.n - crypto_box_SEALBYTES;
	room = malloc(n + 1);
	if (!room)
		return err_set(ERR_NOMEM, "out of memory");
	if (crypto_box_seal_open(room, (const uint8_t *)box.p, box.n, code->key.b, code->open) != 0)
		err = err_set(ERR_CORRUPT, "it is damaged");
	else
		buf_add(out, str_n(room, n));
	os_wipe(room, n + 1);
	free(room);
	return err < 0 ? err : out->err;
}
