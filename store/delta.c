/* SPDX-License-Identifier: ISC */
/* Deltas: two sizes, then instructions to copy from the base or to insert. */
#include "store/unpack_impl.h"

enum { AT_BASE_SIZE, AT_SIZE, AT_START, AT_OP, AT_COPY, AT_INSERT };

static int number(uint64_t *v, struct delta *d, uint8_t c)
{
	if (d->shift > 56)
		return err_set(ERR_BAD, "a delta's size has too many digits");
	*v |= (uint64_t)(c & 127) << d->shift;
	d->shift += 7;
	if (c < 128) {
		d->shift = 0;
		d->state++;
	}
	return 0;
}

static int begin_op(struct delta *d, uint8_t c)
{
	if (c == 0)
		return err_set(ERR_BAD, "a delta with an unknown instruction");
	if (c < 128) {
		d->left = c;
		d->state = AT_INSERT;
		return 0;
	}
	d->op[0] = c;
	d->op_n = 1;
	d->op_len = (uint8_t)(1 + __builtin_popcount(c & 127u));
	d->state = AT_COPY;
	return 0;
}

static int grow(struct delta *d, uint64_t n)
{
	if (n > d->size - d->done)
		return err_set(ERR_BAD, "a delta makes more bytes than it says");
	d->done += n;
	return 0;
}

/* Bit i of the opcode: byte i of offset (4) and count (3) is given, else it is 0. */
static int end_copy(struct delta_op *out, struct delta *d)
{
	uint64_t v = 0, n;
	unsigned k = 1;

	for (unsigned i = 0; i < 7; i++)
		if (d->op[0] >> i & 1)
			v |= (uint64_t)d->op[k++] << (8 * i);
	n = v >> 32;
	if (n == 0)
		n = 0x10000;
	*out = (struct delta_op){ DELTA_COPY, v & UINT32_MAX, (uint32_t)n, STR_NONE };
	if (out->at > d->base_size || n > d->base_size - out->at)
		return err_set(ERR_BAD, "a delta copies from behind the end of its base");
	d->state = AT_OP;
	return grow(d, n);
}

static int insert(struct delta_op *out, struct delta *d, struct str *in)
{
	struct str part = str_sub(*in, 0, d->left);

	*out = (struct delta_op){ DELTA_BYTES, 0, (uint32_t)part.n, part };
	*in = str_sub(*in, part.n, in->n);
	d->left -= (uint8_t)part.n;
	if (d->left == 0)
		d->state = AT_OP;
	return grow(d, part.n);
}

int delta_next(struct delta_op *out, struct delta *d, struct str *in)
{
	int err = 0;

	while (err >= 0) {
		uint8_t c;

		if (d->state == AT_START) {
			d->state = AT_OP;
			*out = (struct delta_op){ .kind = DELTA_SIZES };
			return 0;
		}
		if (d->state == AT_COPY && d->op_n == d->op_len)
			return end_copy(out, d);
		if (in->n == 0)
			return ERR_AGAIN;
		if (d->state == AT_INSERT)
			return insert(out, d, in);
		c = (uint8_t)in->p[0];
		*in = str_sub(*in, 1, in->n);
		switch (d->state) {
		case AT_BASE_SIZE: err = number(&d->base_size, d, c); break;
		case AT_SIZE: err = number(&d->size, d, c); break;
		case AT_OP: err = begin_op(d, c); break;
		default: d->op[d->op_n++] = c; break;
		}
	}
	return err;
}

int delta_end(const struct delta *d)
{
	if (d->state != AT_OP || d->done != d->size)
		return err_set(ERR_BAD, "a delta makes fewer bytes than it says");
	return 0;
}
