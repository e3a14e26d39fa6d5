-- The two byte streams of a phone. A parser runs as a coroutine and asks for bytes of the host or of the phone, in
-- the order of the conversation; how they were cut into transfers does not matter. Transfers feed it in the order of
-- the capture, once. What it says about bytes is kept with their frame, and drawn as often as Wireshark asks.
--
-- One speaks and the other answers: when the side that is not asked for bytes sends some, what was going on is over.
-- That is how lost bytes show in this protocol, and `broken` is the error that ends an exchange then.

local HOST, PHONE = "host", "phone"
-- Frame number -> what is known of it: { items = .., infos = .., experts = .., face = .. }.
local frames = {}
-- "bus.device" -> conversation.
local talks = {}
-- The agent that runs on the phone seen last: it survives a change of its USB face.
local running = nil

-- The conversation whose coroutine runs.
local talk

local function broken(text)
    error({ broken = text }, 0)
end

local function chunk(queue)
    return queue[queue.first]
end

-- Takes n bytes that are there. `data` is nil where the capture does not have them all.
local function take(queue, n)
    local item = { pieces = {}, n = n, data = "" }
    local parts = {}
    local left = n
    while left > 0 do
        local c = chunk(queue)
        local m = math.min(left, c.len - c.pos)
        item.pieces[#item.pieces + 1] = { rec = c.rec, off = c.pos, len = m }
        if c.pos + m <= #c.data then
            parts[#parts + 1] = c.data:sub(c.pos + 1, c.pos + m)
        else
            item.data = nil
        end
        c.pos = c.pos + m
        left = left - m
        if c.pos == c.len then
            queue[queue.first] = nil
            queue.first = queue.first + 1
        end
    end
    queue.len = queue.len - n
    if item.data then
        item.data = table.concat(parts)
    end
    item.rec = #item.pieces > 0 and item.pieces[#item.pieces].rec or talk.now
    return item
end

-- Waits until `from` has said n bytes. `manner`: "strict" ends the exchange when the other side speaks, "soft"
-- returns nil then, "loose" does not mind.
local function wait(from, n, manner)
    local queue = talk.queue[from]
    if queue.len < n then
        talk.want = { from = from, n = n, loose = manner == "loose" }
        local came = coroutine.yield()
        talk.want = nil
        if not came then
            if manner == "soft" then
                return nil
            end
            local other = from == HOST and "the phone spoke" or "the host went on"
            broken(string.format("%s where %s of %s bytes of the %s were due", other, commas(n - queue.len), commas(n), from))
        end
    end
    return queue
end

local function ask(from, n, manner)
    local queue = wait(from, n, manner)
    return queue and take(queue, n)
end

-- The next byte of `from` without taking it; nil when the other side spoke first.
local function peek(from, manner)
    local queue = wait(from, 1, manner or "soft")
    if not queue then
        return nil
    end
    local c = chunk(queue)
    return c.data:byte(c.pos + 1) or broken("a byte that matters is not in the capture")
end

-- Big-endian; exact up to 53 bits, which is more than any address of these phones.
local function number(item)
    if not item.data then
        broken("bytes that matter are not in the capture")
    end
    local n = 0
    for i = 1, #item.data do
        n = n * 256 + item.data:byte(i)
    end
    return n
end

-- Says what bytes are. Where they span transfers the last one has the value.
local function label(item, field, value, text)
    local so_far = 0
    for i, piece in ipairs(item.pieces) do
        so_far = so_far + piece.len
        local entry = { off = piece.off, len = piece.len, text = text }
        if i == #item.pieces then
            entry.field, entry.value = field, value
        else
            entry.text = string.format("%s (%d of %d bytes so far)", text or "Begin of a field", so_far, item.n)
        end
        table.insert(piece.rec.items, entry)
    end
    return item
end

local function info(rec, text)
    local last = rec.infos[#rec.infos]
    if last ~= text then
        table.insert(rec.infos, text)
    end
end

local function say(rec, which, text)
    table.insert(rec.experts, { which = which, text = text })
end

-- Fields that have a number of bytes for their value, because bytes of this number are worth nobody's screen.
local COUNTED = { [F.brom_upload] = true, [F.da_page_data] = true }

-- Many bytes, labelled as they come. `each(bytes or nil, n)` sees them.
local function long(from, n, field, what, each)
    local done = 0
    local rec = talk.now
    while done < n do
        local queue = wait(from, 1, "strict")
        local m = math.min(n - done, queue.len, chunk(queue).len - chunk(queue).pos)
        local item = take(queue, m)
        done = done + m
        rec = item.rec
        label(item, field, COUNTED[field] and m or nil)
        if done < n then
            info(rec, string.format("%s %s of %s bytes", what, commas(done), commas(n)))
        end
        if each then
            each(item.data, m)
        end
    end
    return rec
end

local function sum16()
    local sum = { value = 0 }
    function sum.add(data)
        if not data or not mtk.prefs.sums then
            sum.value = nil
        end
        local n = sum.value
        if n then
            for i = 1, #data - 7, 8 do
                local a, b, c, d, e, f, g, h = data:byte(i, i + 7)
                n = n + a + b + c + d + e + f + g + h
            end
            for i = #data - #data % 8 + 1, #data do
                n = n + data:byte(i)
            end
            sum.value = n % 65536
        end
    end
    return sum
end

local bits = bit32 or bit
local xor = bits and bits.bxor or load("return function(a, b) return a ~ b end")()

local function xor16()
    local sum = { value = 0, odd = false }
    function sum.add(data)
        if not data or not mtk.prefs.sums then
            sum.value = nil
        end
        if not sum.value then
            return
        end
        local low, high = 0, 0
        for i = 1, #data - 1, 2 do
            local a, b = data:byte(i, i + 1)
            low, high = xor(low, a), xor(high, b)
        end
        local ends = #data % 2 == 1
        if ends then
            low = xor(low, data:byte(#data))
        end
        local word = sum.odd and low * 256 + high or high * 256 + low
        sum.value = xor(sum.value, word)
        sum.odd = sum.odd ~= ends
    end
    return sum
end

local function compare(rec, sum, told)
    if sum.value and sum.value ~= told then
        say(rec, X.sum, string.format("mtk: the bytes sum up to 0x%04x, the phone says 0x%04x", sum.value, told))
    end
end

-- A READY of a preloader, or what a broken exchange left over, or an answer that is not understood.
local function noise(item)
    local ready = item.data and item.data:match("^[READY]+$")
    label(item, F.noise, nil, ready and "READY of a preloader" or nil)
    if ready then
        talk.face = talk.face or "preloader"
        info(item.rec, "READY")
    elseif talk.vague then
        info(item.rec, "answer to " .. talk.vague)
    elseif talk.lost or talk.mode == "start" then
        info(item.rec, "left over, " .. commas(item.n) .. " bytes")
    else
        info(item.rec, "unexpected, " .. commas(item.n) .. " bytes")
        say(item.rec, X.lost, "mtk: out of step: bytes of the phone that nobody asked for")
        talk.lost = true
    end
end

-- The byte of the host that begins something. Whatever the phone says before is noise.
local function command_byte()
    while true do
        local phone, host = talk.queue[PHONE], talk.queue[HOST]
        if phone.len > 0 then
            noise(take(phone, math.min(phone.len, chunk(phone).len - chunk(phone).pos)))
        elseif host.len > 0 then
            talk.whole = chunk(host).pos == 0 and chunk(host).len
            return take(host, 1)
        else
            talk.want = { any = true }
            coroutine.yield()
            talk.want = nil
        end
    end
end

-- A command as an object: its name is known at once, what it does when its arguments are.
local function command(item, who, code, name, fields)
    local cmd = { rec = item.rec, code = code, name = name, text = who .. " " .. name }
    label(item, fields.cmd, code)
    table.insert(item.rec.items, { off = item.pieces[1].off, len = 1, field = fields.name, value = name, made = true })
    info(item.rec, cmd)
    talk.cmd = cmd
    return cmd
end

-- Arguments are complete in the frame of `item`.
local function summary(cmd, item, text)
    cmd.text = cmd.text .. text
    if item.rec ~= cmd.rec then
        info(item.rec, cmd.text)
    end
end

