-- Commands of a running agent. In its loop an agent says nothing by itself and swallows bytes it does not know.

-- The format is known from the configuration; a capture that begins later shows it in the length of the request,
-- which is over when the phone answers.
local function wide_request(narrow)
    if not running.format then
        wait(PHONE, 1, "loose")
        running.format = talk.queue[HOST].len > narrow and "g2" or "g1"
    end
    return running.format == "g2"
end

local function range_text(address, length)
    return hex(address) .. "+" .. hex(length)
end

-- One packet of a read: data, sum, the host's word. Returns the word.
local function packet(n, what)
    local sum = sum16()
    local rec = long(PHONE, n, F.da_page_data, what, sum.add)
    local told, item = da(PHONE, 2, F.da_checksum)
    local text = string.format("%s %s bytes, sum 0x%04x", what, commas(n), told)
    if rec ~= item.rec then
        info(rec, what .. " " .. commas(n) .. " bytes")
    end
    info(item.rec, text)
    compare(item.rec, sum, told)
    return reply(HOST)
end

local function packets(total, most, what, container, again)
    if most == 0 and total > 0 then
        broken("packets of 0 bytes never end")
    end
    local left = total
    while left > 0 do
        if container and not accepted() then
            return
        end
        local n = math.min(left, most)
        local word = packet(n, what)
        if again[word] == "stop" then
            return
        elseif again[word] ~= "again" then
            left = left - n
        end
    end
end

local function nand_read(cmd)
    local wide = wide_request(14)
    local size = wide and 8 or 4
    local flag = da(HOST, 1, F.da_flag)
    local kind = da(HOST, 1, F.da_kind)
    local address = da(HOST, size, F.da_address)
    local length = da(HOST, size, F.da_length)
    local container, item = da(HOST, 4, F.da_container)
    summary(cmd, item, string.format(" %s %s flag %d", kind == 0 and "logical" or "physical", range_text(address, length), flag))
    if not accepted() then
        return
    end
    local page = da(PHONE, 4, F.da_page)
    local spare = da(PHONE, 4, F.da_spare)
    local unit, at = da(PHONE, 4, F.da_unit)
    info(at.rec, string.format("pages of %d + %d bytes in units of %d", page, spare, unit))
    local per_packet, asked = da(HOST, 4, F.da_packet)
    info(asked.rec, commas(per_packet) .. " pages per packet")
    local total, told = da(PHONE, size, F.da_total)
    info(told.rec, commas(total) .. " bytes to come")
    packets(total, per_packet * unit, "pages", container ~= 0, { [CONT] = "again", [NACK] = "stop", [STOP] = "stop" })
end

-- eMMC, SD and, with G1, NAND. Here the host may send the packet length before it has the phone's word.
local function plain_read(cmd)
    local wide = wide_request(17)
    if wide then
        da(HOST, 1, F.da_value)
    end
    local storage = da(HOST, 1, F.da_storage)
    local address = da(HOST, 8, F.da_address)
    local length, item = da(HOST, 8, F.da_length)
    summary(cmd, item, " " .. (STORAGES[storage] or storage) .. " " .. range_text(address, length))
    wait(PHONE, 1, "loose")
    if not accepted() then
        return
    end
    local most, asked = da(HOST, 4, F.da_packet)
    info(asked.rec, commas(most) .. " bytes per packet")
    packets(length, most, "data", false, { [CONT] = "again", [NACK] = "again", [STOP] = "again" })
end

local function partition_table()
    if not accepted() then
        return
    end
    local length = da(PHONE, 4, F.da_length)
    reply(HOST)
    info(long(PHONE, length, F.da_data, "table"), "partition table, " .. commas(length) .. " bytes")
    reply(HOST)
end

local function bad_block_table()
    if not accepted(true) then
        return
    end
    local n, item = da(PHONE, 1, F.da_value, "entries")
    for _ = 1, n do
        item = label(ask(PHONE, 4), F.da_data)
    end
    info(item.rec, "bad-block table, " .. n .. " entries")
    reply(HOST)
end

local function usb_status()
    if accepted(true) then
        local speed, item = da(PHONE, 1, F.da_speed)
        info(item.rec, speed == 0 and "full speed" or "high speed")
    end
end

local function finish(cmd)
    accepted(true)
    local value, item = da(HOST, 4, F.da_value)
    local what = { [0] = "leave USB, release the power key", "leave USB", "release the power key, stay on USB", "release the power key" }
    cmd.text = cmd.text .. " " .. value
    info(item.rec, "then " .. (what[value] or value))
    accepted(true)
    running = nil
end

local function format_blocks()
    while true do
        local first = peek(PHONE, "strict")
        if first == ACK or first == NACK then
            break
        end
        local status = da_status()
        if status == 0 or status == 0xbcd then
            da(PHONE, 1, F.da_value, "percent")
            if reply(HOST) == STOP then
                reply(PHONE)
                break
            end
        else
            da(PHONE, 8, F.da_address)
            reply(PHONE)
        end
    end
    if reply(PHONE, "erased") == NACK then
        parts({ { 8, "Start", F.da_address }, { 8, "Length", F.da_length }, { 4, "Blocks" }, { 4, "Bad blocks" },
            { 4, "Blocks with errors" } })
    end
end

local function format(cmd)
    local storage = da(HOST, 1, F.da_storage)
    local flag = da(HOST, 1, F.da_flag)
    da(HOST, 1, F.da_value)
    da(HOST, 1, F.da_kind)
    local address = da(HOST, 8, F.da_address)
    local length, item = da(HOST, 8, F.da_length)
    summary(cmd, item, string.format(" %s %s flag %d", STORAGES[storage] or storage, range_text(address, length), flag))
    if accepted() and accepted() then
        format_blocks()
    end
    if reply(PHONE, "end of the format") == NACK then
        reply(PHONE, "end of the format")
    end
end

local function nand_write_raw(cmd)
    da(HOST, 1, F.da_kind)
    local flag = da(HOST, 1, F.da_flag)
    local block = da(HOST, 4, F.da_address)
    local count = da(HOST, 4, F.da_length)
    local most = da(HOST, 4, F.da_packet)
    local _, item = da(HOST, 4, F.da_container)
    summary(cmd, item, string.format(" block %s, %s blocks, flag %d", commas(block), commas(count), flag))
    if not accepted() then
        return
    end
    -- Pages of the blocks, one packet each; how many pages a block has is in no field of this exchange.
    while peek(HOST, "loose") == ACK do
        reply(HOST)
        info(long(HOST, most, F.da_page_data, "write"), "write " .. commas(most) .. " bytes")
        da(HOST, 2, F.da_checksum)
        if reply(PHONE) == NACK then
            return da_status()
        end
    end
end

local function write_raw(cmd)
    local storage = da(HOST, 1, F.da_storage)
    da(HOST, 1, F.da_value)
    local address = da(HOST, 8, F.da_address)
    local length = da(HOST, 8, F.da_length)
    local most, item = da(HOST, 4, F.da_packet)
    summary(cmd, item, " " .. (STORAGES[storage] or storage) .. " " .. range_text(address, length))
    if not accepted() or most == 0 then
        return
    end
    local left = length
    while left > 0 do
        reply(HOST)
        local n = math.min(left, most)
        info(long(HOST, n, F.da_page_data, "write"), "write " .. commas(n) .. " bytes")
        da(HOST, 2, F.da_checksum)
        if reply(PHONE) == CONT then
            left = left - n
        else
            da_status()
        end
    end
end

local function write_image(cmd)
    da(HOST, 2, F.da_value)
    local address = da(HOST, 8, F.da_address)
    local length = da(HOST, 8, F.da_length)
    local _, item = da(HOST, 2, F.da_value)
    summary(cmd, item, " " .. range_text(address, length))
    local most = da(PHONE, 4, F.da_packet)
    if not accepted() or most == 0 then
        return
    end
    reply(HOST)
    local left = length
    while left > 0 do
        local n = math.min(left, most)
        info(long(HOST, n, F.da_page_data, "write"), "write " .. commas(n) .. " bytes")
        reply(PHONE)
        left = left - n
    end
    da(HOST, 2, F.da_checksum)
    accepted()
end

-- `at_start`: between the two stages, where the length is counted differently.
function enable_dram(cmd, at_start)
    local version, item = da(HOST, 4, F.da_value)
    info(item.rec, "memory settings version " .. hex(version))
    if not accepted(true) then
        return
    end
    if version ~= 0xffffffff then
        if at_start and (version == 10 or version == 11) then
            label(ask(PHONE, 16), F.da_data)
        end
        local length = da(PHONE, 4, F.da_length)
        reply(HOST)
        local told = { [0] = true, [15] = true, [16] = true, [17] = true, [20] = true, [21] = true }
        if at_start and told[version] then
            length = da(HOST, 4, F.da_length)
        end
        info(long(HOST, length, F.da_data, "memory settings"), "memory settings, " .. commas(length) .. " bytes")
        da(PHONE, 2, F.da_checksum)
        reply(HOST)
    end
    da(HOST, 4, F.da_value)
    if da_status("memory ") == 0 then
        parts({ { 1, "RAM kind" }, { 1, "RAM chip select" }, { 8, "RAM size", F.da_length } })
    end
end

local function uart_speed(cmd)
    local index = da(HOST, 1, F.da_value)
    local rounds, item = da(HOST, 1, F.da_value)
    summary(cmd, item, string.format(" index %d, %d rounds", index, rounds))
    if not accepted(true) then
        return
    end
    repeat
        reply(HOST)
    until peek(PHONE) == SYNC
    reply(PHONE)
    reply(HOST)
    reply(PHONE)
    for _ = 1, rounds * 256 do
        label(ask(HOST, 1), F.da_data)
        label(ask(PHONE, 1), F.da_data)
    end
end

-- Exchanges that are a few fields in a row: h4 = four bytes of the host, p4 = of the phone, y = yes or no with a
-- status, Y = yes or no without one. What follows a "no" is not said.
local function fields(script)
    return function(cmd)
        local last, text = nil, ""
        for kind, n in script:gmatch("(%a)(%d*)") do
            if kind == "h" then
                local value, item = da(HOST, tonumber(n), tonumber(n) > 4 and F.da_address or F.da_value)
                last, text = item, text .. " " .. hex(value)
            else
                if last then
                    summary(cmd, last, text)
                    last, text = nil, ""
                end
                if kind == "p" then
                    da(PHONE, tonumber(n), F.da_value, "value")
                elseif not accepted(kind == "Y") then
                    return
                end
            end
        end
    end
end

local function bytes_of_phone(n)
    return function(cmd)
        info(long(PHONE, n, F.da_data, cmd.name), cmd.name .. ", " .. n .. " bytes")
    end
end

local function pc_security_info()
    local length = da(HOST, 4, F.da_value)
    long(HOST, length, F.da_data, "security information")
    accepted()
end

local function battery()
    if da(PHONE, 4, F.da_value) == ACK then
        da(PHONE, 4, F.da_value, "millivolts")
    end
end

local function fat_info()
    if da_status() == 0 then
        label(ask(PHONE, 16), F.da_data)
    end
end

-- Seen with and without a word of the host.
local function security_record()
    wait(PHONE, 1, "loose")
    if talk.queue[HOST].len >= 4 then
        da(HOST, 4, F.da_value)
    end
    da_status()
end

local AGENT = {
    [0x52] = fields("Y"), [0x60] = fields("Yh1Y"), [0x61] = write_image, [0x62] = write_raw, [0x63] = fields("yp4"),
    [0x70] = fields("h1Y"), [0x72] = usb_status, [0x73] = fields("h1h2h2Y"), [0x96] = function() end,
    [0x99] = da_status, [0xa2] = partition_table, [0xa5] = partition_table, [0xa3] = bad_block_table,
    [0xa7] = fields("h1Y"), [0xb3] = nand_write_raw, [0xb4] = security_record, [0xbc] = bytes_of_phone(32),
    [0xbf] = fields("Yp4"), [0xd0] = battery, [0xd2] = uart_speed, [0xd3] = fields("Y"), [0xd4] = format,
    [0xd5] = fields("y"), [0xd6] = plain_read, [0xd7] = fields("h4h2Y"), [0xd8] = fields("h4p2Y"), [0xd9] = finish,
    [0xda] = fields("Yp2"), [0xdb] = fields("h2h4Y"), [0xdf] = nand_read, [0xe0] = pc_security_info,
    [0xe8] = enable_dram, [0xe9] = fields("p4"), [0xea] = fields("p4p4"), [0xef] = function() da_status() end,
    [0xf0] = fat_info,
}
AGENT[0x99] = AGENT[0xef]

local function agent_command()
    local item = talk.pending or command_byte()
    talk.pending = nil
    running = running or {}
    local code = number(item)
    if code == START[1] and peek(PHONE) == 255 - START[1] then
        talk.pending, talk.mode, talk.vague, talk.face = item, "start", nil, nil
        return
    end
    local name = DA_NAMES[code]
    if not name or not may_be_command() then
        return unknown(item, "DA", "mtk: no command of an agent; it swallows such bytes")
    end
    talk.vague = nil
    local cmd = command(item, "DA", code, name, { cmd = F.da_cmd, name = F.da_cmd_name })
    if AGENT[code] then
        AGENT[code](cmd)
    else
        vague(cmd, item)
    end
    -- STOP has no answer: where it found the agent, the next exchange shows.
    talk.lost = talk.lost and code == STOP
end

