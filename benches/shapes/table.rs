//! Builds COPY BINARY tuples, and finds them again.

/// COPY BINARY tuples under construction.
pub(crate) struct Table {
    pub(crate) bytes: Vec<u8>,
    target: usize,
}

impl Table {
    pub(crate) fn new(target: usize) -> Self {
        let bytes = Vec::with_capacity(target + 4096);
        Self { bytes, target }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.bytes.len() >= self.target
    }

    pub(crate) fn tuple(&mut self, fields: i16) {
        self.bytes.extend(fields.to_be_bytes());
    }

    pub(crate) fn null(&mut self) {
        self.bytes.extend((-1i32).to_be_bytes());
    }

    pub(crate) fn field(&mut self, value: &[u8]) {
        self.bytes.extend((value.len() as i32).to_be_bytes());
        self.bytes.extend(value);
    }

    /// A non-negative numeric as `numeric_send` writes it: base-10000 digits, zeros trimmed.
    pub(crate) fn numeric(&mut self, integer: u64, billionths: u64, scale: u16) {
        let mut digits = Vec::new();
        let mut rest = integer;
        while rest > 0 {
            digits.insert(0, (rest % 10_000) as u16);
            rest /= 10_000;
        }
        let mut weight = digits.len() as i16 - 1;
        let padded = billionths * 1000;
        digits.extend([
            (padded / 100_000_000) as u16,
            (padded / 10_000 % 10_000) as u16,
            (padded % 10_000) as u16,
        ]);
        while digits.last() == Some(&0) {
            digits.pop();
        }
        while digits.first() == Some(&0) {
            digits.remove(0);
            weight -= 1;
        }
        if digits.is_empty() {
            weight = 0;
        }
        let mut value = Vec::with_capacity(8 + digits.len() * 2);
        value.extend((digits.len() as i16).to_be_bytes());
        value.extend(weight.to_be_bytes());
        value.extend(0u16.to_be_bytes());
        value.extend(scale.to_be_bytes());
        value.extend(digits.iter().flat_map(|d| d.to_be_bytes()));
        self.field(&value);
    }
}

/// Whole tuples and their number.
pub(crate) type Block<'a> = (&'a [u8], u32);

/// Cuts whole tuples into blocks of at least `target` bytes, the last one excepted.
pub(crate) fn blocks(data: &[u8], target: usize) -> Vec<Block<'_>> {
    let (mut blocks, mut start, mut pos, mut rows) = (Vec::new(), 0, 0, 0);
    for tuple in tuples(data) {
        pos += tuple.len();
        rows += 1;
        if pos - start >= target || pos == data.len() {
            blocks.push((&data[start..pos], rows));
            (start, rows) = (pos, 0);
        }
    }
    blocks
}

pub(crate) fn tuples(mut data: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        if data.is_empty() {
            return None;
        }
        let tuple;
        (tuple, data) = data.split_at(tuple_len(data));
        Some(tuple)
    })
}

/// A tuple's values, `None` for null.
pub(crate) fn fields(tuple: &[u8]) -> impl Iterator<Item = Option<&[u8]>> {
    let mut rest = &tuple[2..];
    std::iter::from_fn(move || {
        let (word, after) = rest.split_first_chunk()?;
        let len = i32::from_be_bytes(*word);
        let value;
        (value, rest) = after.split_at(len.max(0) as usize);
        Some((len >= 0).then_some(value))
    })
}

fn tuple_len(bytes: &[u8]) -> usize {
    let mut pos = 2;
    for _ in 0..u16::from_be_bytes([bytes[0], bytes[1]]) {
        let word = [bytes[pos], bytes[pos + 1], bytes[pos + 2], bytes[pos + 3]];
        pos += 4 + i32::from_be_bytes(word).max(0) as usize;
    }
    pos
}
