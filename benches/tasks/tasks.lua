-- What coroutines cost in Lua: see tasks.mena. usage: tasks.lua OPERATION N EMPTY
-- A coroutine is not scheduled: who resumes it does the scheduler's work. So there is no `fork_join`, and
-- a switch is a resume or a yield.
local create, resume, yield = coroutine.create, coroutine.resume, coroutine.yield

local function work(i) return i % 7 end

local operations = {}

function operations.spawn_join(n, empty)
  local sum = 0
  for i = 0, n - 1 do
    if empty then sum = sum + work(i)
    else
      local _, v = resume(create(work), i)
      sum = sum + v
    end
  end
  return sum
end

function operations.spawn_all(n, empty)
  local tasks = {}
  for i = 0, n - 1 do tasks[i + 1] = empty and i or create(work) end
  local sum = 0
  for i = 0, n - 1 do
    if empty then sum = sum + work(tasks[i + 1])
    else
      local _, v = resume(tasks[i + 1], i)
      sum = sum + v
    end
  end
  return sum
end

operations["switch"] = function(n, empty)
  local function turns()
    local count = 0
    for _ = 1, math.floor(n / 2) do
      if not empty then yield() end
      count = count + 1
    end
    return count
  end
  local a = create(turns)
  if empty then
    local _, x = resume(a)
    return x + select(2, resume(create(turns)))
  end
  for _ = 1, math.floor(n / 2) do resume(a) end
  local _, x = resume(a)
  return x + math.floor(n / 2)
end

function operations.ping_pong(n, empty)
  local echo = create(function(v)
    while true do v = yield(v + 1) end
  end)
  local sum = 0
  for i = 0, n - 1 do
    if empty then sum = sum + work(i) - work(i) + i % 2
    else
      local _, v = resume(echo, i % 2)
      sum = sum + v - 1
    end
  end
  return sum
end

function operations.parked(n, empty)
  local sum = 0
  if empty then
    for i = 0, n - 1 do sum = sum + work(i) - work(i) + 1 end
    return sum
  end
  local tasks = {}
  for i = 1, n do
    local task = create(function() return (yield()) end)
    resume(task)
    tasks[i] = task
  end
  for i = 1, n do
    local _, v = resume(tasks[i], 1)
    sum = sum + v
  end
  return sum
end

print(operations[arg[1]](tonumber(arg[2]), arg[3] == "1"))
