/* SPDX-License-Identifier: ISC */
/* Object ids: text form, and SHA-1 with collision detection. */
#include "store/store_impl.h"

/*
 * libgit2's own SHA-1 (sha1dc, in its archive): its public calls hash whole objects in memory
 * only. Its context is about 2.5 kB; ours has room to spare.
 */
void SHA1DCInit(void *ctx);
void SHA1DCSetUseDetectColl(void *ctx, int on);
void SHA1DCUpdate(void *ctx, const char *p, size_t n);
int SHA1DCFinal(unsigned char out[20], void *ctx);

const char *store_oid_hex(char out[static STORE_HEX], const struct store_oid *id)
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < sizeof(id->b); i++) {
		out[2 * i] = digits[id->b[i] >> 4];
		out[2 * i + 1] = digits[id->b[i] & 15];
	}
	out[STORE_HEX - 1] = 0;
	return out;
}

int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int store_oid_parse(struct store_oid *out, struct str hex)
{
	if (hex.n != STORE_HEX - 1)
		return err_set(ERR_BAD, "store: an object id has 40 digits");
	for (size_t i = 0; i < sizeof(out->b); i++) {
		int hi = hex_digit(hex.p[2 * i]), lo = hex_digit(hex.p[2 * i + 1]);
		if (hi < 0 || lo < 0)
			return err_set(ERR_BAD, "store: an object id is hexadecimal");
		out->b[i] = (uint8_t)(hi << 4 | lo);
	}
	return 0;
}

void sha1_init(struct sha1 *h)
{
	SHA1DCInit(h->room);
}

void sha1_init_plain(struct sha1 *h)
{
	sha1_init(h);
	SHA1DCSetUseDetectColl(h->room, 0);
}

void sha1_add(struct sha1 *h, struct str s)
{
	SHA1DCUpdate(h->room, s.p ? s.p : "", s.n);
}

int sha1_end(struct store_oid *out, struct sha1 *h)
{
	if (SHA1DCFinal(out->b, h->room))
		return err_set(ERR_DENIED, "store: refused: made to collide under SHA-1");
	return 0;
}

static const char *const type_names[] = { "?", "commit", "tree", "blob", "tag" };

const char *obj_type_name(int type)
{
	return type >= OBJ_COMMIT && type <= OBJ_TAG ? type_names[type] : type_names[0];
}

void sha1_object(struct sha1 *h, int type, uint64_t n)
{
	char head[40];
	int len =
		snprintf(head, sizeof(head), "%s %llu", obj_type_name(type), (unsigned long long)n);
	sha1_init(h);
	sha1_add(h, str_n(head, (size_t)len + 1)); /* with its NUL */
}

int oid_of(struct store_oid *out, struct store *s, int type, struct str bytes)
{
	sha1_object(&s->sha, type, bytes.n);
	sha1_add(&s->sha, bytes);
	return sha1_end(out, &s->sha);
}

int store_blob_id(struct store_oid *out, uint64_t size, store_more_fn *more, void *ctx)
{
	struct sha1 *h = malloc(sizeof(*h));
	struct str part;
	int err = 0;

	if (!h)
		return err_set(ERR_NOMEM, "store: out of memory");
	sha1_object(h, OBJ_BLOB, size);
	while (size && (err = more(ctx, &part)) == 0) {
		os_assert(part.n > 0 && part.n <= size);
		sha1_add(h, part);
		size -= part.n;
	}
	if (err >= 0)
		err = sha1_end(out, h);
	free(h);
	return err;
}
