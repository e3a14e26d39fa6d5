-- BootROM and preloader: start sequence, commands, the jump into an agent. Every argument is echoed unless said.

local FIRST_ERROR = 0x1000
local START = { 0xa0, 0x0a, 0x50, 0x05 }

local function start_sequence()
    local step = 1
    while step <= 4 do
        local item = talk.pending or command_byte()
        talk.pending = nil
        local byte = number(item)
        if byte ~= START[step] then
            if byte ~= START[1] then
                talk.pending = item
                talk.mode = step == 1 and "guess" or "brom"
                if step > 1 then
                    talk.lost = true
                end
                return
            end
            step = 1
        end
        label(item, F.start, step)
        info(item.rec, string.format("start sequence %d of 4", step))
        -- A preloader says READY meanwhile; late answers to earlier tries come too.
        local answer
        repeat
            answer = ask(PHONE, 1, "soft")
            if answer and answer.data and answer.data:byte() == 255 - byte then
                label(answer, F.start, step)
                info(answer.rec, string.format("start sequence %d of 4, answer", step))
                talk.known = true
                step = step + 1
                answer.right = true
            elseif answer then
                noise(answer)
            end
        until not answer or answer.right
    end
    talk.lost, talk.vague, running = false, nil, nil
    talk.mode = "brom"
end

local function echo(item, n)
    local back = ask(PHONE, n)
    label(back, F.brom_echo)
    info(back.rec, "echo")
    if item.data and back.data and item.data ~= back.data then
        broken("the phone echoed something else")
    end
    return back
end

local function echoed(n, field)
    local item = ask(HOST, n)
    local value = number(item)
    label(item, field, value)
    echo(item, n)
    return value, item
end

local function answer(n, field)
    local item = ask(PHONE, n)
    local value = number(item)
    label(item, field, value)
    return value, item
end

local function status()
    local value, item = answer(2, F.brom_status)
    local name = BROM_STATUS[value]
    info(item.rec, string.format("status 0x%04x%s", value, name and " " .. name or ""))
    if value >= FIRST_ERROR and value ~= 0x1d0c and value ~= 0x7017 then
        say(item.rec, X.refused, string.format("mtk: %s answered 0x%04x%s", talk.cmd.name, value, name and ", " .. name or ""))
    end
    return value < FIRST_ERROR, value
end

-- Address and count, with the command's summary.
local function area(cmd)
    local address = echoed(4, F.brom_address)
    local count, item = echoed(4, F.brom_count)
    summary(cmd, item, " " .. hex(address) .. (count ~= 1 and " x " .. commas(count) or ""))
    return count
end

local function values(count, size, way)
    if count > 64 then
        local from = way == "read" and PHONE or HOST
        return long(from, count * size, F.brom_data, way)
    end
    for _ = 1, count do
        local item = ask(way == "read" and PHONE or HOST, size)
        local value = number(item)
        label(item, F.brom_value, value)
        info(item.rec, "value " .. hex(value, size * 2))
        if way == "write" then
            echo(item, size)
        end
    end
end

local function read(size)
    return function(cmd)
        local count = area(cmd)
        if status() then
            values(count, size, "read")
            status()
        end
    end
end

local function write(size, way)
    return function(cmd)
        local count = area(cmd)
        if status() then
            values(count, size, way or "write")
            status()
        end
    end
end

-- Data of an announced length, the sum of it and a status.
local function upload(length, what)
    local sum = xor16()
    local rec = long(HOST, length, F.brom_upload, what, sum.add)
    info(rec, string.format("%s %s bytes", what, commas(length)))
    local told, item = answer(2, F.brom_checksum)
    info(item.rec, string.format("sum 0x%04x", told))
    compare(item.rec, sum, told)
    return status()
end

local function send_da(cmd)
    local address = echoed(4, F.brom_address)
    local length = echoed(4, F.brom_length)
    local signature, item = echoed(4, F.brom_sig_length)
    summary(cmd, item, string.format(" %s %s bytes, signature %s", hex(address), commas(length), commas(signature)))
    if status() then
        upload(length, "agent")
    end
end

local function jump_da(cmd)
    local address, item = echoed(4, F.brom_address)
    summary(cmd, item, " " .. hex(address))
    if cmd.code == 0xde then
        echoed(1, F.brom_argument)
    end
    local good = status()
    if good and cmd.code == 0xde then
        echoed(1, F.brom_argument)
        good = status()
    end
    if good then
        talk.mode, talk.face = "hello", "agent"
    end
end

local function send_file(cmd)
    local length, item = echoed(4, F.brom_length)
    summary(cmd, item, " " .. commas(length) .. " bytes")
    if status() then
        upload(length, cmd.name)
    end
end

-- Length, data, status. A length of 0 was seen to end it; an old BootROM may give the echo alone.
local function identity()
    if not peek(PHONE) then
        return
    end
    local length = answer(4, F.brom_length)
    if length > 0 then
        local rec = long(PHONE, length, F.brom_id, "identity")
        info(rec, "identity " .. commas(length) .. " bytes")
        status()
    end
end

local function challenge(cmd)
    local good, value = status()
    if good and value ~= 0x7017 then
        local length = answer(4, F.brom_length)
        long(PHONE, length, F.brom_data, "challenge")
        talk.vague = cmd.text
    end
end

local function word(field, n)
    return function(cmd)
        local value, item = answer(n, field)
        cmd.text = cmd.text .. " = " .. hex(value, n * 2)
        info(item.rec, cmd.name .. " = " .. hex(value, n * 2))
        return value
    end
end

local function versions(cmd)
    local sub = answer(2, F.brom_sub_code)
    local hw = answer(2, F.brom_hw_version)
    local sw, item = answer(2, F.brom_sw_version)
    local text = string.format(" = %04x, %04x, %04x", sub, hw, sw)
    cmd.text = cmd.text .. text
    info(item.rec, cmd.name .. text)
    status()
end

-- FE and FF are the commands without echo: what comes back is the version, or the command where it is not known.
local function version(field, native)
    return function(cmd)
        local value = word(field, 1)(cmd)
        if field == F.brom_bl_version then
            talk.face = value == native and "brom" or "preloader"
        end
    end
end

local function i2c(cmd)
    local count = area(cmd)
    if not status() then
        return
    end
    if cmd.code == 0xb4 then
        status()
    else
        values(count, 1, cmd.code == 0xb3 and "read" or "write without echo")
        status()
    end
end

local function then_status(run)
    return function(cmd)
        run(cmd)
        status()
    end
end

local function set_uart_speed(cmd)
    local baud, item = echoed(4, F.brom_argument)
    summary(cmd, item, " " .. commas(baud))
    status()
end

local function pl_cap(cmd)
    word(F.brom_value, 4)(cmd)
    word(F.brom_value, 4)(cmd)
end

local BROM = {
    [0xa2] = function(cmd) values(area(cmd), 2, "read") end,
    [0xb0] = status, [0xb1] = status, [0xb2] = i2c, [0xb3] = i2c, [0xb4] = i2c,
    [0xd0] = read(2), [0xd1] = read(4), [0xd2] = write(2), [0xd3] = write(2, "write without echo"), [0xd4] = write(4),
    [0xd5] = jump_da, [0xde] = jump_da, [0xd6] = status, [0xd7] = send_da,
    [0xd8] = then_status(word(F.brom_target_config, 4)),
    [0xdc] = set_uart_speed, [0xe0] = send_file, [0xe2] = send_file, [0xe1] = identity, [0xe7] = identity,
    [0xe3] = challenge, [0xfb] = pl_cap, [0xfc] = versions, [0xfd] = then_status(word(F.brom_hw_code, 2)),
    [0xfe] = version(F.brom_bl_version, 0xfe), [0xff] = version(F.brom_version),
}

-- A command whose arguments nobody knows: all that follows is its own, until a transfer looks like a command.
local function vague(cmd, item)
    talk.vague = cmd.text
    summary(cmd, item, " (arguments not known)")
end

-- A byte that is no command here.
local function unknown(item, who, text)
    if talk.vague and not talk.lost then
        label(item, nil, nil, "Part of " .. talk.vague)
        return info(item.rec, "part of " .. talk.vague)
    end
    label(item, nil, nil, "Not understood")
    info(item.rec, string.format("%s unknown 0x%02x", who, number(item)))
    if not talk.lost then
        say(item.rec, X.unknown, text)
        talk.lost = true
    end
end

-- In a vague stretch only a transfer that is a command's first byte alone ends it.
local function may_be_command()
    return not talk.vague or talk.whole == 1
end

local function brom_command()
    local item = talk.pending or command_byte()
    talk.pending = nil
    local code = number(item)
    if code == START[1] then
        talk.pending, talk.mode, talk.vague = item, "start", nil
        return
    end
    local name = BROM_NAMES[code]
    if not name or not may_be_command() then
        return unknown(item, "BROM", "mtk: no command of BootROM or preloader")
    end
    talk.vague = nil
    local cmd = command(item, "BROM", code, name, { cmd = F.brom_cmd, name = F.brom_cmd_name })
    if code ~= 0xfe and code ~= 0xff then
        echo(item, 1)
    end
    if BROM[code] then
        BROM[code](cmd)
    else
        vague(cmd, item)
    end
    talk.lost = false
end

-- A capture that begins in the middle: a BootROM echoes, an agent says 5A.
local function guess()
    local code = number(talk.pending)
    if running or talk.face == "agent" then
        talk.mode, talk.face = "agent", "agent"
        return
    end
    local first = code ~= 0xfe and code ~= 0xff and peek(PHONE)
    if first and first ~= code and DA_NAMES[code] then
        talk.mode, talk.face = "agent", "agent"
        running = { }
    else
        talk.mode = "brom"
    end
end

