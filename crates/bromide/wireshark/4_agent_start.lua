-- A fresh agent: hello, configuration, NAND table or second stage, report.

local ACK, NACK, CONT, STOP, SYNC = 0x5a, 0xa5, 0x69, 0x96, 0xc0
local SINGLE_STAGE = { [0x83] = true, [0x84] = true, [0x85] = true }
-- Chips whose agents want one more word of configuration from a G2 host.
local EXTRA_WORD = { [0x86] = true, [0x87] = true, [0x8a] = true }

local function reply(from, text)
    local item = ask(from, 1)
    local value = number(item)
    label(item, F.da_answer, value)
    info(item.rec, text and string.format("%s 0x%02x", text, value) or string.format("0x%02x %s", value, ANSWERS[value] or "?"))
    return value, item
end

local function da(from, n, field, what)
    local item = ask(from, n)
    local value = number(item)
    label(item, field, value)
    if what then
        info(item.rec, what .. " " .. hex(value))
    end
    return value, item
end

local function da_status(what)
    local value, item = da(PHONE, 4, F.da_status)
    local name = DA_STATUS[value]
    info(item.rec, string.format("%s0x%x%s", what or "status ", value, name and " " .. name or ""))
    return value, item
end

-- True for 5A. A5 is followed by a status, unless `bare`.
local function accepted(bare)
    local value, item = reply(PHONE)
    if value == ACK then
        return true
    elseif value ~= NACK then
        broken(string.format("0x%02x of the phone is neither yes nor no", value))
    end
    if bare then
        say(item.rec, X.refused, "mtk: the phone said no")
    else
        local status, at = da_status()
        say(at.rec, X.refused, string.format("mtk: the phone refused with 0x%x%s", status,
            DA_STATUS[status] and ", " .. DA_STATUS[status] or ""))
    end
    return false
end

-- What a part of the report is: bytes, what to call it, and a field where it has one.
local function parts(list)
    for _, part in ipairs(list) do
        local n, text, field = part[1], part[2], part[3]
        local item = ask(PHONE, n)
        if field and item.data then
            label(item, field, number(item))
            if field == F.da_nand_size then
                info(item.rec, "NAND " .. commas(number(item)) .. " bytes")
            end
        elseif n <= 4 and item.data then
            label(item, nil, nil, text .. ": " .. hex(number(item)))
        else
            label(item, nil, nil, text)
        end
    end
end

local function codes(counted)
    local n = 5
    if counted then
        local item = ask(PHONE, 2)
        n = item.data and number(item) or n -- five in every agent seen
        label(item, nil, nil, "NAND id codes: " .. n)
    end
    for i = 1, n do
        parts({ { 2, "NAND id code " .. i } })
    end
end

local function report(wide, chip)
    local size = wide and 8 or 4
    local first = ask(PHONE, 4)
    label(first, nil, nil, "NOR status: " .. hex(number(first)))
    info(first.rec, "report")
    parts({ { 2, "NOR chip selects" }, { 2, "NOR id" }, { 4, "NOR size" }, { 8, "NOR device codes" },
        { 4, "NOR OTP status" }, { 4, "NOR OTP size" }, { 4, "NAND status", F.da_nand_status },
        { 1, "NAND chip select" }, { 2, "NAND id", F.da_nand_id },
        { wide and chip >= 0x8b and chip ~= 0xff and 8 or 4, "NAND size", F.da_nand_size } })
    codes(wide)
    parts({ { 2, "NAND page size" }, { 2, "NAND spare size" }, { 2, "NAND pages per block" }, { 1, "NAND bus width" },
        { 1, "NAND address cycles" }, { 1, "Bad-block table exists" }, { 4, "eMMC status", F.da_emmc_status },
        { size, "eMMC boot 1" }, { size, "eMMC boot 2" }, { size, "eMMC RPMB" }, { size, "eMMC GP 1" },
        { size, "eMMC GP 2" }, { size, "eMMC GP 3" }, { size, "eMMC GP 4" }, { 8, "eMMC user area" },
        { 16, "eMMC CID" }, { 8, "eMMC firmware version" }, { 4, "SD status" }, { 8, "SD size" }, { 16, "SD CID" },
        { 4, "Internal RAM status" }, { 4, "Internal RAM size" }, { 4, "External RAM status" },
        { 1, "External RAM kind" }, { 1, "External RAM chip select" }, { size, "External RAM size" },
        { 16, "Random id" } })
    if chip == 0x8d or chip == 0x91 or chip == 0x99 or chip == 0xa1 then
        parts({ { 4, "Bad-block table, blocks" } })
    end
    if reply(PHONE, "report ends") == NACK then
        reply(PHONE, "first-time processing done") -- up to two minutes later
    end
    da(PHONE, 4, F.da_value, "download status")
    da(PHONE, 4, F.da_value, "boot style")
    reply(PHONE)
end

local function nand_table()
    if not accepted(true) then
        return
    end
    local size = da(PHONE, 4, F.da_record_size, "record size")
    local count, item = da(HOST, 4, F.da_records)
    info(item.rec, "offers " .. commas(count) .. " NAND records")
    reply(PHONE)
    for i = 1, count do
        local rec = long(HOST, size, F.da_record, "NAND record")
        info(rec, "NAND record " .. i)
        local answered = reply(PHONE)
        if answered == ACK then
            return
        elseif answered ~= CONT then
            broken("an answer to a NAND record that is none")
        end
    end
end

-- The second stage of an agent: address, length, bytes per block; then blocks, each answered.
local function second_stage()
    local _, first = da(HOST, 4, F.da_address)
    local length = da(HOST, 4, F.da_length)
    local packet, item = da(HOST, 4, F.da_packet)
    info(first.rec, "second stage, " .. commas(length) .. " bytes")
    if not accepted() or packet == 0 then
        return
    end
    local left = length
    while left > 0 do
        local n = math.min(left, packet)
        info(long(HOST, n, F.da_data, "second stage"), "second stage block, " .. commas(n) .. " bytes")
        reply(PHONE)
        left = left - n
    end
    -- One more 5A when it runs; where the length is a multiple of the block perhaps another before it.
    while peek(PHONE) do
        reply(PHONE, "second stage")
    end
    reply(HOST)
end

local enable_dram -- a command of the next part too

local function memory(wide)
    local status = da_status("memory ")
    if status == 0 then
        return second_stage()
    end
    parts({ { 4, "eMMC status", F.da_emmc_status }, { 16, "eMMC CID" }, { 4, "NAND status", F.da_nand_status } })
    codes(wide)
    -- E8 and its settings are told apart from the second stage by its address, which begins with 80.
    while peek(HOST, "loose") == 0xe8 do
        ask(HOST, 1)
        enable_dram(nil, true)
    end
    second_stage()
end

-- The host's configuration has no answer and no length: it ends where the phone speaks.
local function configuration(chip)
    local so_far, pieces, first = 0, {}, nil
    while talk.queue[PHONE].len == 0 do
        local c = talk.queue[HOST].len > 0 and chunk(talk.queue[HOST])
        if c then
            local item = take(talk.queue[HOST], c.len - c.pos)
            so_far = so_far + item.n
            pieces[#pieces + 1] = item.data or ""
            label(item, F.da_config)
            info(item.rec, "DA configuration, " .. so_far .. " bytes")
            first = first or item
            if so_far > 64 then
                broken("too many bytes for a configuration")
            end
        else
            talk.want = { any = true }
            coroutine.yield()
            talk.want = nil
        end
    end
    local format = ({ [15] = "g1", [18] = "g2", [22] = "g2", [42] = "g2" })[so_far]
    if not format then
        broken("a configuration of " .. so_far .. " bytes")
    end
    running = { format = format, chip = chip }
    table.insert(first.rec.items, { off = 0, len = 0, field = F.da_format, value = format, made = true })
    local at = format == "g1" and 10 or 11 -- one byte more: blocks or bytes
    local pool = number({ data = table.concat(pieces):sub(at, at + 3) })
    table.insert(first.rec.items, { off = 0, len = 0, field = F.da_pool, value = pool, made = true })
    info(first.rec, "format " .. format)
    return format == "g2"
end

local function hello()
    repeat
        local item = ask(PHONE, 1, "soft")
        if not item then
            talk.mode = "agent"
            broken("the host went on before the agent's hello")
        end
        local sync = item.data and item.data:byte() == SYNC
        if sync then
            label(item, F.da_answer, SYNC)
            info(item.rec, "agent runs")
        else
            label(item, F.noise)
        end
    until sync
    talk.face, talk.mode, talk.lost, talk.cmd = "agent", "agent", false, nil
    if peek(PHONE, "strict") == 0 then -- two stages, G2: ids first
        parts({ { 4, "NAND status", F.da_nand_status } })
        codes(true)
        parts({ { 4, "eMMC status", F.da_emmc_status }, { 16, "eMMC CID" } })
        reply(HOST)
    end
    local version = da(PHONE, 2, F.da_version)
    local chip, item = da(PHONE, 1, F.da_chip)
    info(item.rec, string.format("agent %d.%d for %s", math.floor(version / 256), version % 256, CHIPS[chip] or hex(chip)))
    local wide = configuration(chip)
    if SINGLE_STAGE[chip] then
        nand_table()
    else
        memory(wide)
    end
    report(wide, chip)
end

