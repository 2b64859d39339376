-- Numbers for people to read.
local M = {}

-- In about three digits: 1.23 s, 12.3 ms, 4 min 05 s.
function M.duration(s)
    if s >= 3600 then
        return ("%d h %02d min"):format(s // 3600, s // 60 % 60)
    elseif s >= 60 then
        return ("%d min %02d s"):format(s // 60, s // 1 % 60)
    end
    for _, unit in ipairs { { 1, "s" }, { 1e-3, "ms" }, { 1e-6, "us" } } do
        if s >= unit[1] then
            return ("%.3g %s"):format(s / unit[1], unit[2])
        end
    end
    return s == 0 and "0 s" or ("%.3g ns"):format(s * 1e9)
end

function M.bytes(n)
    for _, unit in ipairs { { 1 << 30, "GiB" }, { 1 << 20, "MiB" }, { 1 << 10, "KiB" } } do
        if n >= unit[1] then
            return ("%.1f %s"):format(n / unit[1], unit[2])
        end
    end
    return ("%.0f B"):format(n)
end

-- With separators: 1,234,567.
function M.count(n)
    local text = ("%d"):format(n)
    local changed
    repeat
        text, changed = text:gsub("^(%d+)(%d%d%d)", "%1,%2")
    until changed == 0
    return text
end

function M.percent(share)
    return ("%.0f %%"):format(share * 100)
end

return M
