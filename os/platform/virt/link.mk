# SPDX-License-Identifier: ISC
# How an image is linked (Makefile): twice, the second time with its own symbol table.
VIRT_SYMTAB := os/platform/virt/symbols
