# Every file call goes to the shim of store/lmdb_shim.h, which is compiled in before anything else.
ours=(store/lmdb_shim.h)
recipe() {
	cd libraries/liblmdb
	cp "$top/store/lmdb_shim.h" .
	archive lmdb "-fno-strict-aliasing -DSTORE_LMDB_BUILD -include lmdb_shim.h
		-DMDB_USE_ROBUST=0 -DMDB_MAXKEYSIZE=511" mdb.c midl.c
	headers . lmdb.h
}
