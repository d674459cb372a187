/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Every name the outside can see, in one place: users, paths, the bus, journal message ids and
 * fields. units/, rules/ and the message catalog repeat some of them; tests/unit/check_units.sh
 * compares.
 */

#define NAME_USER          "plugflash" /* the mind */
#define NAME_GROUP         "plugflash" /* people who may ask the mind, and keep firmware */
#define NAME_USB_GROUP     "plugflash-usb" /* boot-mode USB nodes: only the hands are in it */
#define NAME_SERIAL_GROUP  "dialout" /* serial ports, boards' too: the hands are in it */
#define NAME_UDEV_PROPERTY "ID_PLUGFLASH" /* set by rules/, its value is a mode: "rp2040-boot" */

#define NAME_LIBEXEC_DIRECTORY       "/usr/libexec/plugflash"
#define NAME_WORKER                  "plugflash-worker"
#define NAME_WORKER_SOCKET           "/run/plugflash/worker"
#define NAME_WORKER_CAN_SOCKET       "/run/plugflash/worker-can" /* workers for CAN buses */
#define NAME_STATE_DIRECTORY         "/var/lib/plugflash"
#define NAME_FIRMWARE_SUBDIRECTORY   "firmware"
#define NAME_BACKUP_SUBDIRECTORY     "backups"
#define NAME_HISTORY_FILE            "history.db"
#define NAME_POLICY_DIRECTORY_VENDOR "/usr/lib/plugflash/policy.d"
#define NAME_POLICY_DIRECTORY_ADMIN  "/etc/plugflash/policy.d"
#define NAME_EXAMPLES_DIRECTORY      "/usr/share/plugflash/policies"
#define NAME_DROPINS_DIRECTORY       "/usr/share/plugflash/dropins"

#define NAME_BUS           "org.plugflash1"
#define NAME_BUS_PATH      "/org/plugflash1"
#define NAME_BUS_INTERFACE "org.plugflash1.Manager"

/* Journal fields beside MESSAGE and MESSAGE_ID. */
#define NAME_FIELD_JOB             "PLUGFLASH_JOB"
#define NAME_FIELD_BOARD           "PLUGFLASH_BOARD"
#define NAME_FIELD_BOARD_ID        "PLUGFLASH_BOARD_ID"
#define NAME_FIELD_PLACE           "PLUGFLASH_PLACE"
#define NAME_FIELD_MODE            "PLUGFLASH_MODE"
#define NAME_FIELD_RULE            "PLUGFLASH_RULE"
#define NAME_FIELD_IMAGE           "PLUGFLASH_IMAGE"
#define NAME_FIELD_IMAGE_SHA256    "PLUGFLASH_IMAGE_SHA256"
#define NAME_FIELD_OUTCOME         "PLUGFLASH_OUTCOME"
#define NAME_FIELD_REASON          "PLUGFLASH_REASON"
#define NAME_FIELD_VERIFY          "PLUGFLASH_VERIFY"
#define NAME_FIELD_APPLICATION     "PLUGFLASH_APPLICATION"
#define NAME_FIELD_DURATION_USEC   "PLUGFLASH_DURATION_USEC"
#define NAME_FIELD_EXAMPLE         "PLUGFLASH_EXAMPLE"
#define NAME_FIELD_CHIP_FROM       "PLUGFLASH_CHIP_FROM"
#define NAME_FIELD_UNITS_TOTAL     "PLUGFLASH_UNITS_TOTAL"
#define NAME_FIELD_UNITS_IDENTICAL "PLUGFLASH_UNITS_IDENTICAL"
#define NAME_FIELD_UNITS_BLANK     "PLUGFLASH_UNITS_BLANK"
#define NAME_FIELD_UNITS_ERASED    "PLUGFLASH_UNITS_ERASED"
#define NAME_FIELD_BYTES_WRITTEN   "PLUGFLASH_BYTES_WRITTEN"

/* Journal message ids; units/plugflash.catalog explains each to a person. */
#define MESSAGE_BOARD_SEEN          "bfe8c3f65cce44ca934259eb499e16dc"
#define MESSAGE_BOARD_UNCOVERED     "ead4f1d185314cccacff9d2be9f5727a"
#define MESSAGE_BOARD_LEFT          "bd9a9bf3f49542c78894d047644c4797"
#define MESSAGE_BOARD_IGNORED       "1c558596825844299eeffdd9e1452c01"
#define MESSAGE_JOB_STARTED         "69c1cb2881284b08a771b148ed6b5f48"
#define MESSAGE_JOB_REFUSED         "8a2284d9a1d14830af3dcd6b2b558b3a"
#define MESSAGE_JOB_WRITING         "35fc189e777046bcbd6b14a00b18ddc4"
#define MESSAGE_FIRMWARE_KEPT       "0b5b8fb5f1cb4f2f9a1c5f9d27a4c0de"
#define MESSAGE_JOB_CALLS           "a92c665de8564dd99f8b5f5685f695f7"
#define MESSAGE_JOB_ENTERED         "5d0c1b7ea0f94a4f8a8f2f6c1f0d3b52"
#define MESSAGE_JOB_PLAN            "3f6d0a5b9c1e4d7fa2b8c4e1d7095a36"
#define MESSAGE_JOB_FLASHED         "929f8e99b8504605939608789fd47075"
#define MESSAGE_JOB_IDENTICAL       "01aa4ead5f2540f388680d60ce6a2fc1"
#define MESSAGE_JOB_FAILED          "e3422676ac4d41e7ac775da7989b989a"
#define MESSAGE_JOB_INTERRUPTED     "ac2be24f042c49568e9565e846c9785e"
#define MESSAGE_POLICY_LOADED       "8eb9a6fe21604c71b01ff51b8473640b"
#define MESSAGE_POLICY_INVALID      "b13c0f672071473b9038f7ee86a2449d"
#define MESSAGE_EVENTS_LOST         "1babbc66c0664c6da9757ccd78d395c1"
#define MESSAGE_HISTORY_DAMAGED     "fbd9de1887584889a857d1db1f7ced41"
#define MESSAGE_HISTORY_UNAVAILABLE "ae6a8da2c5e14741abc69d7adcfd3076"
#define MESSAGE_PLACE_QUARANTINED   "8be2e857b1ac4df290408ed46820f8f1"
#define MESSAGE_PLACE_RELEASED      "b2bd60805a8d436f92ee3107e2835d1b"
#define MESSAGE_JOB_RESUMED         "d827e61975414de998cb4a6ce90cbd12"
#define MESSAGE_BUS_LOOKED_AT       "47f55c31954d48cdb9929b28dfa310a1"
#define MESSAGE_BUS_LEFT_ALONE      "7fd0928c121f46e69c9d5156dc685f29"
#define MESSAGE_UPDATE_LEFT_ALONE   "6d6c41feef2d48d795ff68daf05a2196"
