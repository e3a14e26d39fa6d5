-- Hooks. A phone with known ids is claimed through them. Where the capture does not have the ids (it began when the
-- phone was on the cable already), a start sequence is what a phone is known by; devices of other vendors are left to
-- whoever has them. Transfers whose bytes the capture does not have never reach a dissector of their own: a
-- postdissector counts them.

local STEPS = { start = start_sequence, guess = guess, brom = brom_command, hello = hello, agent = agent_command }

-- The parser of one phone: exchange after exchange, for ever.
local function converse()
    while true do
        local good, why = pcall(STEPS[talk.mode])
        if not good then
            if talk.mode == "hello" then
                talk.mode = "agent"
            end
            if type(why) ~= "table" then
                say(talk.now, X.broken, "mtk: " .. tostring(why))
            elseif not talk.lost then
                say(talk.now, X.lost, "mtk: out of step: " .. why.broken)
                info(talk.now, "out of step")
            end
            talk.lost = true
        end
    end
end

local function new_talk(face)
    return {
        queue = { host = { first = 1, last = 0, len = 0 }, phone = { first = 1, last = 0, len = 0 } },
        mode = "start", face = face ~= "" and face or nil, parser = coroutine.create(converse), want = { any = true },
    }
end

local function resume(came)
    local good, why = coroutine.resume(talk.parser, came)
    if not good then -- an error of the dissector: begin anew
        say(talk.now, X.broken, "mtk: " .. tostring(why))
        talk.parser, talk.mode, talk.want = coroutine.create(converse), "start", { any = true }
    end
    return good
end

local function feed(from, data, len, rec)
    local queue = talk.queue[from]
    local want = talk.want
    queue.last = queue.last + 1
    queue[queue.last] = { rec = rec, data = data, len = len, pos = 0 }
    queue.len = queue.len + len
    talk.now = rec
    if not want.any and not want.loose and want.from ~= from and not resume(false) then
        return
    end
    while true do
        want = talk.want
        local ready
        if want.any then
            ready = talk.queue[HOST].len > 0 or talk.queue[PHONE].len > 0
        else
            ready = talk.queue[want.from].len >= want.n
        end
        if not ready or not resume(true) then
            return
        end
    end
end

local function value_of(entry)
    if type(entry.value) == "number" and (entry.field == F.da_address or entry.field == F.da_length
        or entry.field == F.da_total or entry.field == F.da_nand_size) then
        return UInt64.new(entry.value % 4294967296, math.floor(entry.value / 4294967296) % 4294967296)
    end
    return entry.value
end

local function draw_entry(entry, tvb, base_off, tree)
    local have = math.max(0, math.min(entry.len, tvb:len() - base_off - entry.off))
    local range = have > 0 and tvb(base_off + entry.off, have) or tvb(0, 0)
    local value = value_of(entry)
    local line
    if not entry.field then
        line = tree:add(range, entry.text or "Not understood")
    elseif value ~= nil then
        line = tree:add(entry.field, range, value)
    elseif have > 0 then
        line = tree:add(entry.field, range)
    else
        line = tree:add(range, (entry.text or "Bytes") .. " that the capture does not have")
    end
    if entry.made then
        line:set_generated()
    elseif have < entry.len then
        line:append_text(string.format(" (%s of %s bytes in the capture)", commas(have), commas(entry.len)))
    end
end

local function draw(rec, tvb, base_off, pinfo, tree)
    local root = tree:add(mtk, base_off < tvb:len() and tvb(base_off) or tvb(0, 0))
    if rec.face then
        root:add(F.face, tvb(0, 0), rec.face):set_generated()
    end
    if rec.within and rec.within ~= pinfo.number then
        root:add(F.within, tvb(0, 0), rec.within):set_generated()
    end
    for _, entry in ipairs(rec.items) do
        draw_entry(entry, tvb, base_off, root)
    end
    for _, it in ipairs(rec.experts) do
        root:add_proto_expert_info(it.which, it.text)
    end
    local words = {}
    for i, it in ipairs(rec.infos) do
        words[i] = type(it) == "table" and it.text or it
        if i == 8 and #rec.infos > 8 then
            words[i] = "... " .. (#rec.infos - 7) .. " more"
            break
        end
    end
    local text = table.concat(words, ", ")
    pinfo.cols.protocol = "MTK"
    pinfo.cols.info = text ~= "" and text or rec.about
    root:append_text(text ~= "" and ": " .. text or "")
end

-- Bytes of a phone: parsed when they are seen first, drawn always. `data` is what the capture has of them.
local function transfer(key, from, tvb, base_off, len, pinfo, tree)
    local rec = frames[pinfo.number]
    if not rec then
        rec = { number = pinfo.number, items = {}, infos = {}, experts = {} }
        frames[pinfo.number] = rec
        talk = talks[key]
        feed(from, base_off < tvb:len() and tvb:raw(base_off) or "", len, rec)
        rec.face = talk.face
        rec.within = talk.cmd and talk.cmd.rec.number
        rec.about = talk.cmd and (from == HOST and "argument of " or "answer to ") .. talk.cmd.name or "continues"
    end
    draw(rec, tvb, base_off, pinfo, tree)
end

local function side(pinfo)
    local source, target = tostring(pinfo.src), tostring(pinfo.dst)
    if source == "host" then
        return HOST, target:match("^(%d+%.%d+)%.%d+$")
    elseif target == "host" then
        return PHONE, source:match("^(%d+%.%d+)%.%d+$")
    end
end

-- "bus.device" -> vendor << 16 | product, as far as the capture has the descriptor.
local seen_ids = {}
local last_done = 0

-- Whether this transfer belongs to a phone. `id` is known from the table that called, or nil.
local function claim(key, from, tvb, id)
    id = id or seen_ids[key]
    if id then
        if IDS[id] and not talks[key] then
            talks[key] = new_talk(IDS[id])
        end
        return IDS[id] ~= nil
    end
    if talks[key] and not talks[key].known and from == PHONE and tvb(0, 1):uint() ~= 255 - START[1]
        and not tvb:raw(0, 1):match("[READY]") then
        talks[key] = nil -- no phone after all
    end
    if not talks[key] and from == HOST and tvb:len() == 1 and tvb(0, 1):uint() == START[1] then
        talks[key] = new_talk()
    end
    return talks[key] ~= nil
end

-- A device is claimed with all its transfers: also what a serial driver asks of it, and its notifications.
local transfer_type = Field.new("usb.transfer_type")
local BULK = 3

local function is_bulk()
    local kind = transfer_type()
    return kind == nil or kind.value == BULK
end

local function dissect(tvb, pinfo, tree, id)
    local from, key = side(pinfo)
    if not is_bulk() then
        return 0
    end
    if not from or not key or tvb:len() == 0 or not (frames[pinfo.number] or claim(key, from, tvb, id)) then
        return 0
    end
    last_done = pinfo.number
    transfer(key, from, tvb, 0, tvb:reported_len(), pinfo, tree)
    return tvb:len()
end

-- Called for ids that are known, or because somebody said "Decode As".
function mtk.dissector(tvb, pinfo, tree)
    return dissect(tvb, pinfo, tree, IDS[pinfo.match_uint] and pinfo.match_uint or 0)
end

function mtk.init()
    frames, talks, running, talk, seen_ids, last_done = {}, {}, nil, nil, {}, 0
end

local by_product = DissectorTable.get("usb.product")
for id in pairs(IDS) do
    by_product:add(id, mtk)
end

by_product:add_for_decode_as(mtk)

-- Not the classes' own table: whoever has CDC data there would be called without what it knows of the device.
mtk:register_heuristic("usb.bulk", function(tvb, pinfo, tree)
    return dissect(tvb, pinfo, tree) > 0
end)

-- What a raw frame of usbmon (header of 48 or 64 bytes) or USBPcap (27 or 28) says of itself, little-endian:
-- bulk or not, the sender, and the bytes it stands for. nil for anything else.
local function usbmon(tvb, pinfo)
    local kind, n = tvb(8, 1):uint(), tvb:len()
    if kind ~= 0x53 and kind ~= 0x43 or n ~= 48 and n ~= 64 or tvb(9, 1):uint() ~= 3 then
        return nil
    end
    local into = tvb(10, 1):uint() >= 128
    if into == (kind == 0x43) then -- data of IN is in the completion, of OUT in the submission
        local missing = math.max(pinfo.len - n, tvb(32, 4):le_uint())
        return into and PHONE or HOST, missing
    end
end

local function usbpcap(tvb)
    if tvb:len() ~= 27 or tvb(0, 2):le_uint() ~= 27 or tvb(22, 1):uint() ~= 3 then
        return nil
    end
    local into = tvb(21, 1):uint() >= 128
    if into == (tvb(16, 1):uint() % 2 == 1) then
        return into and PHONE or HOST, tvb(23, 4):le_uint()
    end
end

-- A device descriptor at the end of a frame: who it is. A new one is a new device.
local function descriptor(tvb, key)
    local n = tvb:len()
    if n >= 46 and n <= 82 and tvb(n - 18, 2):uint() == 0x1201 then
        local id = tvb(n - 10, 2):le_uint() * 65536 + tvb(n - 8, 2):le_uint()
        if seen_ids[key] ~= id then
            seen_ids[key], talks[key] = id, nil
        end
    end
end

local missing = Proto("mtk_missing", "MediaTek download mode, bytes that the capture does not have")
function missing.dissector(tvb, pinfo, tree)
    if last_done == pinfo.number or tvb:len() < 27 then
        return
    end
    local from, key = side(pinfo)
    if not key then
        return
    end
    if not pinfo.visited then
        descriptor(tvb, key)
    end
    if not talks[key] and not frames[pinfo.number] then
        return
    end
    local sender, len = usbmon(tvb, pinfo)
    if not sender then
        sender, len = usbpcap(tvb)
    end
    if sender and len > 0 then
        transfer(key, sender, tvb, tvb:len(), len, pinfo, tree)
    end
end
register_postdissector(missing)
