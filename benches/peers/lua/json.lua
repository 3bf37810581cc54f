-- json: parses a message of a web interface, 156 operations in 26 KB, into a tree
-- (Are-We-Fast-Yet). The peer of experiments/workloads/awfy/json.mena; arg[1] = iterations.
local n = tonumber(arg and arg[1]) or 100
local sub = string.sub

local function class(parent)
  local methods = {}
  if parent then
    for name, method in pairs(parent) do
      methods[name] = method
    end
  end
  methods.__index = methods
  return methods
end

local JsonValue = class()

function JsonValue:is_object()
  return false
end

function JsonValue:is_array()
  return false
end

function JsonValue:count()
  return 1
end

local JsonLiteral = class(JsonValue)

function JsonLiteral.new(text)
  return setmetatable({ text = text }, JsonLiteral)
end

local json_null = JsonLiteral.new("null")
local json_true = JsonLiteral.new("true")
local json_false = JsonLiteral.new("false")

local JsonNumber = class(JsonValue)

function JsonNumber.new(text)
  return setmetatable({ text = text }, JsonNumber)
end

local JsonString = class(JsonValue)

function JsonString.new(text)
  return setmetatable({ text = text }, JsonString)
end

local function count_all(values)
  local sum = 1
  for _, value in ipairs(values) do
    sum = sum + value:count()
  end
  return sum
end

local JsonArray = class(JsonValue)

function JsonArray.new()
  return setmetatable({ values = {} }, JsonArray)
end

function JsonArray:is_array()
  return true
end

function JsonArray:count()
  return count_all(self.values)
end

local HashIndexTable = class()

function HashIndexTable.new()
  local slots = {}
  for i = 0, 31 do
    slots[i] = false
  end
  return setmetatable({ slots = slots }, HashIndexTable)
end

local function slot_of(name)
  return #name * 1402589 % 32
end

function HashIndexTable:add(name, index)
  self.slots[slot_of(name)] = index
end

function HashIndexTable:get(name)
  return self.slots[slot_of(name)]
end

local JsonObject = class(JsonValue)

function JsonObject.new()
  return setmetatable({ names = {}, values = {}, table = HashIndexTable.new() }, JsonObject)
end

function JsonObject:is_object()
  return true
end

function JsonObject:count()
  return count_all(self.values)
end

function JsonObject:add(name, value)
  self.names[#self.names + 1] = name
  self.values[#self.values + 1] = value
  self.table:add(name, #self.names)
end

function JsonObject:get(name)
  local index = self.table:get(name)
  if index and self.names[index] == name then
    return self.values[index]
  end
  for i, other in ipairs(self.names) do
    if other == name then
      return self.values[i]
    end
  end
  return nil
end

local Parser = class()

function Parser.new(input)
  return setmetatable({
    input = input,
    index = 0,
    line = 1,
    column = 0,
    current = nil,
    captured = "",
    capture_start = nil,
  }, Parser)
end

function Parser:fail(message)
  error("json: line " .. self.line .. ", column " .. self.column .. ": " .. message)
end

function Parser:parse()
  self:read()
  self:skip_white_space()
  local result = self:read_value()
  self:skip_white_space()
  if self.current ~= nil then
    self:fail("unexpected character")
  end
  return result
end

function Parser:read_value()
  local c = self.current
  if c == "n" then
    return self:read_literal("null", json_null)
  elseif c == "t" then
    return self:read_literal("true", json_true)
  elseif c == "f" then
    return self:read_literal("false", json_false)
  elseif c == '"' then
    return JsonString.new(self:read_string())
  elseif c == "[" then
    return self:read_array()
  elseif c == "{" then
    return self:read_object()
  elseif c == "-" or self:is_digit() then
    return self:read_number()
  end
  self:fail("expected a value")
end

function Parser:read_array()
  self:read()
  local array = JsonArray.new()
  self:skip_white_space()
  if self:read_char("]") then
    return array
  end
  repeat
    self:skip_white_space()
    array.values[#array.values + 1] = self:read_value()
    self:skip_white_space()
  until not self:read_char(",")
  self:require("]")
  return array
end

function Parser:read_object()
  self:read()
  local object = JsonObject.new()
  self:skip_white_space()
  if self:read_char("}") then
    return object
  end
  repeat
    self:skip_white_space()
    if self.current ~= '"' then
      self:fail("expected a name")
    end
    local name = self:read_string()
    self:skip_white_space()
    self:require(":")
    self:skip_white_space()
    object:add(name, self:read_value())
    self:skip_white_space()
  until not self:read_char(",")
  self:require("}")
  return object
end

function Parser:read_literal(text, value)
  for i = 1, #text do
    self:require(sub(text, i, i))
  end
  return value
end

function Parser:read_string()
  self:read()
  self:start_capture()
  while self.current ~= '"' do
    if self.current == "\\" then
      self:pause_capture()
      self:read_escape()
      self:start_capture()
    elseif self.current == nil then
      self:fail("unexpected end of a string")
    else
      self:read()
    end
  end
  local text = self:end_capture()
  self:read()
  return text
end

local escapes =
  { ['"'] = '"', ["/"] = "/", ["\\"] = "\\", n = "\n", r = "\r", t = "\t" }

function Parser:read_escape()
  self:read()
  local escaped = escapes[self.current]
  if not escaped then
    self:fail("expected a valid escape sequence")
  end
  self.captured = self.captured .. escaped
  self:read()
end

function Parser:read_number()
  self:start_capture()
  self:read_char("-")
  if not self:read_char("0") then
    self:read_digits()
  end
  if self:read_char(".") then
    self:read_digits()
  end
  if self:read_char("e") or self:read_char("E") then
    if not self:read_char("+") then
      self:read_char("-")
    end
    self:read_digits()
  end
  return JsonNumber.new(self:end_capture())
end

function Parser:read_digits()
  if not self:is_digit() then
    self:fail("expected a digit")
  end
  while self:is_digit() do
    self:read()
  end
end

function Parser:require(c)
  if not self:read_char(c) then
    self:fail("expected `" .. c .. "`")
  end
end

function Parser:read_char(c)
  if self.current ~= c then
    return false
  end
  self:read()
  return true
end

function Parser:skip_white_space()
  while self:is_white_space() do
    self:read()
  end
end

function Parser:read()
  if self.current == "\n" then
    self.line = self.line + 1
    self.column = 0
  end
  local index = self.index + 1
  self.current = index <= #self.input and sub(self.input, index, index) or nil
  self.index = index
  self.column = self.column + 1
end

function Parser:start_capture()
  self.capture_start = self.index
end

function Parser:pause_capture()
  self.captured = self.captured .. sub(self.input, self.capture_start, self.index - 1)
  self.capture_start = nil
end

function Parser:end_capture()
  local text = sub(self.input, self.capture_start, self.index - 1)
  self.capture_start = nil
  if self.captured == "" then
    return text
  end
  local whole = self.captured .. text
  self.captured = ""
  return whole
end

function Parser:is_white_space()
  local c = self.current
  return c == " " or c == "\t" or c == "\n" or c == "\r"
end

function Parser:is_digit()
  local c = self.current
  return c == "0" or c == "1" or c == "2" or c == "3" or c == "4"
    or c == "5" or c == "6" or c == "7" or c == "8" or c == "9"
end

-- Apostrophes stand for quotation marks.
local function message()
  local operations = {
    "['destroy','w54']",
    "['set','w2',{'activeControl':'w99'}]",
    "['set','w53',{'children':['w95']}]",
  }
  local function add(...)
    operations[#operations + 1] = string.format(...)
  end
  for i = 0, 5 do
    add(
      "['create','w%d','widgets.GridColumn',{'parent':'w99','index':%d,"
        .. "'left':%d,'width':%d,'moveable':false,'resizable':true,'visibility':true}]",
      100 + i, i, 60 * i, 50 + i
    )
  end
  for i = 0, 69 do
    local id = 110 + 2 * i
    add(
      "['create','w%d','widgets.GridItem',{'parent':'w99','index':%d,"
        .. "'texts':['%d','\\\"animal %d\\\"','cage\\t%d','weight','%d.5e+1'],"
        .. "'bounds':[0,%d,%d,28],'cellBackgrounds':[null,null,[138,226,52,255],null]}]",
      id, i, i, i, i % 7, i * 37 % 101, 28 * i, 988 - i
    )
    add(
      "['set','w%d',{'parent':'w%d','tabIndex':-1,'style':['NONE','WRAP'],"
        .. "'clientArea':[0, 0, %d, 23],'font':[['Verdana','sans-serif'],10,false,false]}]",
      id + 1, id, 966 + i % 3
    )
  end
  for i = 0, 4 do
    add("['listen','w%d',{'KeyDown':true,'Selection':true}]", 100 + i)
  end
  add("['set','w1',{'focusControl':'w99'}]")
  add("['call','client.BrowserNavigation','addToHistory',{'entries':[['zoo','Zoo']]}]")
  local text = "{'head':{'requestCounter':4},\n'operations':[" .. table.concat(operations, ",") .. "]}"
  return (text:gsub("'", '"'))
end

local text = message()
local result
for _ = 1, n do
  result = Parser.new(text):parse()
  assert(result:is_object() and result:get("head"):is_object(), "json: wrong root")
  assert(result:get("operations"):is_array(), "json: wrong operations")
  assert(#result:get("operations").values == 156, "json: wrong number of operations")
end
local operations = result:get("operations").values
assert(operations[10].values[4]:get("texts").values[2].text == '"animal 0"', "json: wrong text")
print("json " .. #operations .. " " .. result:count())
