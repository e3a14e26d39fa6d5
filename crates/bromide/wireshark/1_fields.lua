-- bromide wireshark plugin: MediaTek BootROM, preloader and Download Agent
--
-- Made by `bromide wireshark install` or `bromide wireshark show`; `bromide wireshark uninstall` removes a file whose
-- first line is the one above. Wants Wireshark 3.6 or later with Lua 5.2 or later.
-- MIT OR Apache-2.0, as all of Bromide. Untested on traffic of a real phone.
--
-- In this order: fields and names; the two byte streams of a phone; BootROM and preloader; the start of an agent;
-- commands of an agent; hooks into Wireshark.

local mtk = Proto("mtk", "MediaTek download mode")

local BROM_NAMES = {
    [0xa2] = "READ16_OLD", [0xb0] = "I2C_INIT", [0xb1] = "I2C_DEINIT", [0xb2] = "I2C_WRITE8", [0xb3] = "I2C_READ8",
    [0xb4] = "I2C_SET_SPEED", [0xb5] = "I2C_B5", [0xb6] = "I2C_B6", [0xb7] = "I2C_B7", [0xb8] = "I2C_B8",
    [0xb9] = "I2C_B9", [0xba] = "I2C_BA", [0xbf] = "GET_FIRMWARE_VERSION", [0xc4] = "PMIC_C4", [0xc5] = "PMIC_C5",
    [0xc6] = "PMIC_C6", [0xc7] = "PMIC_C7", [0xc8] = "CACHE_CONTROL", [0xd0] = "READ16", [0xd1] = "READ32",
    [0xd2] = "WRITE16", [0xd3] = "WRITE16_NO_ECHO", [0xd4] = "WRITE32", [0xd5] = "JUMP_DA", [0xd6] = "JUMP_BL",
    [0xd7] = "SEND_DA", [0xd8] = "GET_TARGET_CONFIG", [0xd9] = "SEND_ENV_PREPARE", [0xda] = "REGISTER_ACCESS",
    [0xdb] = "UART_LOG_ON", [0xdc] = "SET_UART_SPEED", [0xdd] = "BROM_LOG_DD", [0xde] = "JUMP_DA64",
    [0xdf] = "BROM_LOG_DF", [0xe0] = "SEND_CERT", [0xe1] = "GET_ME_ID", [0xe2] = "SEND_AUTH", [0xe3] = "SLA_CHALLENGE",
    [0xe7] = "GET_SOC_ID", [0xfb] = "GET_PL_CAP", [0xfc] = "GET_HW_SW_VER", [0xfd] = "GET_HW_CODE",
    [0xfe] = "GET_BL_VER", [0xff] = "GET_VERSION",
}

local DA_NAMES = {
    [0x51] = "CMD_51", [0x52] = "CMD_52", [0x60] = "SWITCH_PARTITION", [0x61] = "WRITE_IMAGE", [0x62] = "WRITE_RAW",
    [0x63] = "CARD_TEST", [0x70] = "USB_SETUP", [0x72] = "USB_STATUS", [0x73] = "USB_SETUP_IDS", [0x96] = "STOP",
    [0x99] = "CMD_99", [0x9a] = "CMD_9A", [0x9b] = "CMD_9B", [0x9c] = "CMD_9C", [0x9d] = "CMD_9D", [0x9e] = "CMD_9E",
    [0xa1] = "WRITE_PARTITION_TABLE", [0xa2] = "PARTITION_TABLE", [0xa3] = "BAD_BLOCK_TABLE", [0xa4] = "CMD_A4",
    [0xa5] = "PARTITION_TABLE_SD", [0xa6] = "CMD_A6", [0xa7] = "STORAGE_QUERY", [0xa8] = "CMD_A8",
    [0xb3] = "NAND_WRITE_RAW", [0xb4] = "SECURITY_RECORD", [0xb5] = "CMD_B5", [0xb6] = "CMD_B6", [0xb9] = "CMD_B9",
    [0xba] = "CMD_BA", [0xbb] = "CMD_BB", [0xbc] = "CUSTOMER_NAME", [0xbd] = "IMAGE_CHECKSUM", [0xbe] = "CMD_BE",
    [0xbf] = "CMD_BF", [0xd0] = "BATTERY", [0xd2] = "UART_SPEED", [0xd3] = "CMD_D3", [0xd4] = "FORMAT",
    [0xd5] = "NOR_WRITE", [0xd6] = "READ", [0xd7] = "WRITE_REG16", [0xd8] = "READ_REG16", [0xd9] = "FINISH",
    [0xda] = "CMD_DA", [0xdb] = "WATCHDOG", [0xdd] = "IMAGE_LIST", [0xde] = "IMAGE_WRITE", [0xdf] = "NAND_READ",
    [0xe0] = "PC_SECURITY_INFO", [0xe8] = "ENABLE_DRAM", [0xe9] = "ONE_TIME_CHECK", [0xea] = "ONE_TIME_SIZE",
    [0xeb] = "CMD_EB", [0xec] = "CMD_EC", [0xed] = "CMD_ED", [0xee] = "CMD_EE", [0xef] = "CMD_EF", [0xf0] = "FAT_INFO",
    [0xfe] = "CMD_FE",
}

local BROM_STATUS = {
    [0] = "done", [1] = "done", [0x1d00] = "address too high", [0x1d01] = "invalid address",
    [0x1d02] = "invalid address", [0x1d0c] = "authentication not needed", [0x1d0d] = "authentication required",
    [0x1d0e] = "would overlap memory in use", [0x1d0f] = "invalid jump address", [0x1d10] = "too many blocks",
    [0x1d11] = "address not aligned", [0x1d12] = "invalid address or length", [0x1d13] = "length is zero",
    [0x1d14] = "signature longer than the agent", [0x1d15] = "no signature", [0x1d16] = "no agent was sent",
    [0x1d17] = "agent and authentication file differ", [0x1d1d] = "baud rate too high",
    [0x1d21] = "agent version not supported", [0x2001] = "signature refused", [0x5a5b] = "agent is on the black list",
    [0x7015] = "signature refused", [0x7017] = "not allowed, or not needed", [0x7024] = "signature refused",
}

-- Numbers of the agents v7.1504; they moved by a few between builds.
local DA_STATUS = {
    [0] = "done", [0x3e8] = "stopped", [0x3e9] = "undefined error", [0x3ea] = "invalid arguments",
    [0x3eb] = "storage kind not supported", [0x40d] = "no partition table", [0x410] = "option not supported",
    [0x411] = "checksum error", [0x412] = "time-out", [0xbb8] = "internal RAM error", [0xbb9] = "external RAM error",
    [0xbba] = "memory calibration failed", [0xbbf] = "external memory not switched on", [0xbc0] = "device not found",
    [0xbc1] = "NOR id not supported", [0xbc2] = "NAND id not in the table", [0xbc3] = "not supported, or NOR not found",
    [0xbc4] = "NAND not found", [0xbc5] = "SoC check failed", [0xbcc] = "NAND controller time-out",
    [0xbcd] = "in progress", [0xbd5] = "erase not verified", [0xbd8] = "start address out of range",
    [0xbdc] = "length out of range or 0", [0xbe0] = "block could not be used", [0xbe1] = "bad block",
    [0xbe2] = "bits corrected", [0xbe3] = "uncorrectable bits", [0xbe6] = "invalid page",
    [0xbe7] = "NAND controller not supported", [0xbf4] = "checksum of the data wrong", [0xbfa] = "not supported",
    [0xc06] = "flash is blank", [0xc0a] = "chip not supported", [0xc1d] = "page read failed",
    [0xc25] = "container exceeded", [0xc26] = "beyond the last page", [0xc48] = "no eMMC", [0xc4a] = "no SD card",
    [0xc5a] = "invalid storage kind", [0x177a] = "write forbidden", [0x177b] = "read back forbidden",
    [0x177c] = "format forbidden", [0x177e] = "area protected", [0x1780] = "area protected",
    [0x1781] = "area protected", [0x1783] = "area protected", [0x1799] = "no security record",
}

local CHIPS = {
    [0x83] = "MT6573", [0x84] = "MT6575", [0x85] = "MT6577", [0x86] = "MT6589", [0x87] = "MT6582", [0x88] = "MT6572",
    [0x89] = "MT8135", [0x8a] = "MT6592", [0x8b] = "MT6571", [0xff] = "not supported",
}
local ANSWERS = { [0x5a] = "yes", [0xa5] = "no", [0x69] = "go on / again", [0x96] = "stop", [0xc0] = "sync",
    [0xc1] = "SoC check passed", [0xcf] = "SoC check failed" }
local STORAGES = { [0] = "NOR", [1] = "NAND", [2] = "eMMC", [3] = "SD" }

local F = {
    face = ProtoField.string("mtk.face", "Who speaks"),
    start = ProtoField.uint8("mtk.start", "Start sequence, step"),
    within = ProtoField.framenum("mtk.command_in", "Command is in"),
    noise = ProtoField.bytes("mtk.noise", "Unsolicited bytes"),
    brom_cmd = ProtoField.uint8("mtk.brom.cmd", "Command", base.HEX, BROM_NAMES),
    brom_cmd_name = ProtoField.string("mtk.brom.cmd_name", "Command name"),
    brom_echo = ProtoField.bytes("mtk.brom.echo", "Echo"),
    brom_address = ProtoField.uint32("mtk.brom.address", "Address", base.HEX),
    brom_count = ProtoField.uint32("mtk.brom.count", "Count"),
    brom_length = ProtoField.uint32("mtk.brom.length", "Length"),
    brom_sig_length = ProtoField.uint32("mtk.brom.sig_length", "Signature length"),
    brom_status = ProtoField.uint16("mtk.brom.status", "Status", base.HEX, BROM_STATUS),
    brom_value = ProtoField.uint32("mtk.brom.value", "Value", base.HEX),
    brom_argument = ProtoField.uint32("mtk.brom.argument", "Argument", base.HEX),
    brom_hw_code = ProtoField.uint16("mtk.brom.hw_code", "Hardware code", base.HEX),
    brom_sub_code = ProtoField.uint16("mtk.brom.sub_code", "Hardware sub code", base.HEX),
    brom_hw_version = ProtoField.uint16("mtk.brom.hw_version", "Hardware version", base.HEX),
    brom_sw_version = ProtoField.uint16("mtk.brom.sw_version", "Software version", base.HEX),
    brom_bl_version = ProtoField.uint8("mtk.brom.bl_version", "Boot loader version (fe: BootROM)", base.HEX),
    brom_version = ProtoField.uint8("mtk.brom.version", "BootROM version (ff: preloader)", base.HEX),
    brom_target_config = ProtoField.uint32("mtk.brom.target_config", "Security configuration", base.HEX),
    brom_id = ProtoField.bytes("mtk.brom.id", "Identity"),
    brom_checksum = ProtoField.uint16("mtk.brom.checksum", "Checksum (xor of little-endian words)", base.HEX),
    brom_upload = ProtoField.uint32("mtk.brom.upload", "Uploaded bytes"),
    brom_data = ProtoField.bytes("mtk.brom.data", "Data"),
    da_version = ProtoField.uint16("mtk.da.version", "Agent protocol version", base.HEX),
    da_chip = ProtoField.uint8("mtk.da.chip", "Chip of the agent", base.HEX, CHIPS),
    da_format = ProtoField.string("mtk.da.format", "Wire format"),
    da_config = ProtoField.bytes("mtk.da.config", "Host configuration"),
    da_pool = ProtoField.uint32("mtk.da.pool", "Bad-block pool"),
    da_cmd = ProtoField.uint8("mtk.da.cmd", "Command", base.HEX, DA_NAMES),
    da_cmd_name = ProtoField.string("mtk.da.cmd_name", "Command name"),
    da_answer = ProtoField.uint8("mtk.da.answer", "Answer", base.HEX, ANSWERS),
    da_status = ProtoField.uint32("mtk.da.status", "Status", base.HEX, DA_STATUS),
    da_flag = ProtoField.uint8("mtk.da.flag", "Read flag"),
    da_kind = ProtoField.uint8("mtk.da.address_kind", "Address kind", base.DEC, { [0] = "logical", [1] = "physical" }),
    da_storage = ProtoField.uint8("mtk.da.storage", "Storage", base.DEC, STORAGES),
    da_address = ProtoField.uint64("mtk.da.address", "Address", base.HEX),
    da_length = ProtoField.uint64("mtk.da.length", "Length"),
    da_container = ProtoField.uint32("mtk.da.container", "Container blocks"),
    da_page = ProtoField.uint32("mtk.da.page_size", "Page size"),
    da_spare = ProtoField.uint32("mtk.da.spare_size", "Spare size"),
    da_unit = ProtoField.uint32("mtk.da.unit_size", "Bytes per page in the stream"),
    da_packet = ProtoField.uint32("mtk.da.packet", "Pages or bytes per packet"),
    da_total = ProtoField.uint64("mtk.da.total", "Bytes to come"),
    da_page_data = ProtoField.uint32("mtk.da.page_data", "Page data, bytes"),
    da_checksum = ProtoField.uint16("mtk.da.checksum", "Checksum (sum of bytes)", base.HEX),
    da_speed = ProtoField.uint8("mtk.da.speed", "Link speed", base.DEC, { [0] = "full speed", [1] = "high speed" }),
    da_record_size = ProtoField.uint32("mtk.da.record_size", "NAND record size"),
    da_records = ProtoField.uint32("mtk.da.records", "NAND records offered"),
    da_record = ProtoField.bytes("mtk.da.record", "NAND record"),
    da_nand_status = ProtoField.uint32("mtk.da.nand.status", "NAND status", base.HEX, DA_STATUS),
    da_nand_id = ProtoField.uint16("mtk.da.nand.id", "NAND record number", base.HEX),
    da_nand_size = ProtoField.uint64("mtk.da.nand.size", "NAND size", base.HEX),
    da_emmc_status = ProtoField.uint32("mtk.da.emmc.status", "eMMC status", base.HEX, DA_STATUS),
    da_value = ProtoField.uint32("mtk.da.value", "Value", base.HEX),
    da_data = ProtoField.bytes("mtk.da.data", "Data"),
}
local all = {}
for _, field in pairs(F) do
    all[#all + 1] = field
end
mtk.fields = all

local X = {
    lost = ProtoExpert.new("mtk.out_of_step", "mtk: out of step", expert.group.SEQUENCE, expert.severity.WARN),
    sum = ProtoExpert.new("mtk.bad_sum", "mtk: checksum differs", expert.group.CHECKSUM, expert.severity.WARN),
    refused = ProtoExpert.new("mtk.refused", "mtk: the phone refused", expert.group.RESPONSE_CODE, expert.severity.NOTE),
    unknown = ProtoExpert.new("mtk.unknown", "mtk: unknown", expert.group.UNDECODED, expert.severity.NOTE),
    broken = ProtoExpert.new("mtk.internal", "mtk: error in the dissector", expert.group.DEBUG, expert.severity.ERROR),
}
mtk.experts = { X.lost, X.sum, X.refused, X.unknown, X.broken }
mtk.prefs.sums = Pref.bool("Check checksums", true, "Compute the sums of uploads and pages where the capture has them")

-- BootROM, preloader and agent ids (vendor << 16 | product). 0: a recording of a serial port or a TCP connection.
local IDS = { [0] = "" }
for _, pid in ipairs({ 0x0003, 0x1003 }) do
    IDS[0x0e8d0000 + pid] = "brom"
end
for _, id in ipairs({ 0x0e8d2000, 0x0e8d20ff, 0x0e8d3000, 0x0e8d6000, 0x10046000, 0x22d90006, 0x0fcef200, 0x0fced1dd,
    0x0fced1e2, 0x0fced1e9, 0x0fced1ec }) do
    IDS[id] = "preloader"
end
IDS[0x0e8d2001] = "agent"

local function hex(n, digits)
    if n < 0 or n >= 9007199254740992 then -- no number of this protocol; a double would not hold it
        return "(beyond 53 bits)"
    end
    return string.format("0x%0" .. (digits or 1) .. "x", n)
end

-- 121640 as 121,640.
local function commas(n)
    local text = string.format("%.0f", n)
    local more = 1
    while more > 0 do
        text, more = text:gsub("^(%d+)(%d%d%d)", "%1,%2")
    end
    return text
end

