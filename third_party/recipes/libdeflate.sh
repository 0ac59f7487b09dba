# Compression alone, without the levels that search for the best parse. Quick code also in an image:
# compressing is most of what a delivery costs.
recipe() {
	sed -i 's/^#define SUPPORT_NEAR_OPTIMAL_PARSING.*/#define SUPPORT_NEAR_OPTIMAL_PARSING 0/' lib/deflate_compress.c
	archive deflate "-I. -O2" lib/deflate_compress.c lib/utils.c
	headers . libdeflate.h
}
