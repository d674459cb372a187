/* SPDX-License-Identifier: MIT */
/* A failing disk; see fault_vfs.h. */
#include "unit/fault_vfs.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/text.h"

struct fault_file {
	sqlite3_file base;
	const char *path; /* sqlite keeps it as long as the file is open */
	sqlite3_file *real; /* behind this struct */
};

static struct {
	sqlite3_vfs vfs;
	sqlite3_vfs *real;
	enum fault_kind kind;
	unsigned left; /* until it fails; 0: never */
	bool for_good;
	bool has_failed;
	const char *survivors;
	unsigned syncs_left;
	void (*on_cut)(void *context);
	void *context;
} disk;

static struct fault_file *of(sqlite3_file *file)
{
	return (struct fault_file *)(void *)file;
}

/* ---- failing ----------------------------------------------------------------------------- */

static bool fails_now(bool is_read)
{
	if (disk.left == 0 || is_read != (disk.kind == FAULT_READ))
		return false;
	if (disk.left > 1) {
		disk.left--;
		return false;
	}
	disk.left = disk.for_good ? 1 : 0;
	disk.has_failed = true;
	return true;
}

void fault_vfs_arm(enum fault_kind kind, unsigned nth, bool for_good)
{
	disk.kind = kind;
	disk.left = nth;
	disk.for_good = for_good;
	disk.has_failed = false;
}

bool fault_vfs_disarm(void)
{
	disk.left = 0;
	return disk.has_failed;
}

/* ---- surviving --------------------------------------------------------------------------- */

static char *survivor_of(const char *path)
{
	const char *name = strrchr(path, '/');
	return text_format("%s/%s", disk.survivors, name ? name + 1 : path);
}

static void copy_file(const char *from, const char *to)
{
	_cleanup_(fclosep) FILE *source = fopen(from, "re");
	_cleanup_(fclosep) FILE *target = fopen(to, "we");
	char block[4096];
	if (!source || !target)
		abort();
	for (size_t length; (length = fread(block, 1, sizeof(block), source)) > 0;)
		if (fwrite(block, 1, length, target) != length)
			abort();
}

void fault_vfs_survive(
	const char *directory, unsigned syncs, void (*on_cut)(void *context), void *context)
{
	disk.survivors = directory;
	disk.syncs_left = syncs;
	disk.on_cut = on_cut;
	disk.context = context;
}

static void survive(const char *path)
{
	if (!disk.survivors)
		return;
	if (disk.syncs_left == 0) {
		disk.survivors = NULL;
		disk.on_cut(disk.context);
		return;
	}
	_cleanup_(freep) char *survivor = survivor_of(path);
	copy_file(path, survivor);
	disk.syncs_left--;
}

/* ---- files ------------------------------------------------------------------------------- */

static int on_close(sqlite3_file *file)
{
	return of(file)->real->pMethods->xClose(of(file)->real);
}

static int on_read(sqlite3_file *file, void *data, int length, sqlite3_int64 offset)
{
	sqlite3_file *real = of(file)->real;
	return fails_now(true) ? SQLITE_IOERR_READ
			       : real->pMethods->xRead(real, data, length, offset);
}

static int on_write(sqlite3_file *file, const void *data, int length, sqlite3_int64 offset)
{
	sqlite3_file *real = of(file)->real;
	if (!fails_now(false))
		return real->pMethods->xWrite(real, data, length, offset);
	if (disk.kind == FAULT_IO)
		return SQLITE_IOERR_WRITE;
	(void)real->pMethods->xWrite(real, data, length / 2, offset);
	return SQLITE_FULL;
}

static int on_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	sqlite3_file *real = of(file)->real;
	return fails_now(false) ? SQLITE_IOERR_TRUNCATE : real->pMethods->xTruncate(real, size);
}

static int on_sync(sqlite3_file *file, int flags)
{
	sqlite3_file *real = of(file)->real;
	if (fails_now(false))
		return disk.kind == FAULT_FULL ? SQLITE_FULL : SQLITE_IOERR_FSYNC;
	int result = real->pMethods->xSync(real, flags);
	survive(of(file)->path);
	return result;
}

static int on_file_size(sqlite3_file *file, sqlite3_int64 *ret)
{
	return of(file)->real->pMethods->xFileSize(of(file)->real, ret);
}

static int on_lock(sqlite3_file *file, int lock)
{
	return of(file)->real->pMethods->xLock(of(file)->real, lock);
}

static int on_unlock(sqlite3_file *file, int lock)
{
	return of(file)->real->pMethods->xUnlock(of(file)->real, lock);
}

static int on_check_lock(sqlite3_file *file, int *ret)
{
	return of(file)->real->pMethods->xCheckReservedLock(of(file)->real, ret);
}

static int on_control(sqlite3_file *file, int operation, void *argument)
{
	return of(file)->real->pMethods->xFileControl(of(file)->real, operation, argument);
}

static int on_sector_size(sqlite3_file *file)
{
	return of(file)->real->pMethods->xSectorSize(of(file)->real);
}

/* No promise is made: neither that a write is atomic, nor that order is kept. */
static int on_characteristics(sqlite3_file *file)
{
	(void)file;
	return 0;
}

/* Version 1: knows nothing of shared memory, so whoever wants it finds none. */
static const sqlite3_io_methods methods = {
	.iVersion = 1,
	.xClose = on_close,
	.xRead = on_read,
	.xWrite = on_write,
	.xTruncate = on_truncate,
	.xSync = on_sync,
	.xFileSize = on_file_size,
	.xLock = on_lock,
	.xUnlock = on_unlock,
	.xCheckReservedLock = on_check_lock,
	.xFileControl = on_control,
	.xSectorSize = on_sector_size,
	.xDeviceCharacteristics = on_characteristics,
};

static int on_open(
	sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *ret_flags)
{
	(void)vfs;
	struct fault_file *own = of(file);
	own->path = path;
	own->real = (sqlite3_file *)(void *)(own + 1);
	int result = disk.real->xOpen(disk.real, path, own->real, flags, ret_flags);
	own->base.pMethods = result == SQLITE_OK ? &methods : NULL;
	return result;
}

static int on_delete(sqlite3_vfs *vfs, const char *path, int sync_directory)
{
	(void)vfs;
	if (disk.survivors) {
		_cleanup_(freep) char *survivor = survivor_of(path);
		(void)remove(survivor);
	}
	return disk.real->xDelete(disk.real, path, sync_directory);
}

/* No failure comes from the kernel. */
static int on_last_error(sqlite3_vfs *vfs, int length, char *text)
{
	(void)vfs, (void)length, (void)text;
	return 0;
}

void fault_vfs_install(void)
{
	disk.real = sqlite3_vfs_find(NULL);
	disk.vfs = *disk.real;
	disk.vfs.zName = "faulty";
	disk.vfs.szOsFile = disk.real->szOsFile + (int)sizeof(struct fault_file);
	disk.vfs.xOpen = on_open;
	disk.vfs.xDelete = on_delete;
	disk.vfs.xGetLastError = on_last_error;
	sqlite3_vfs_register(&disk.vfs, 1);
}

void fault_vfs_remove(void)
{
	fault_vfs_survive(NULL, 0, NULL, NULL);
	fault_vfs_disarm();
	sqlite3_vfs_unregister(&disk.vfs);
	sqlite3_vfs_register(disk.real, 1);
}
