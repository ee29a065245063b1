//! Alarms.

use super::json::Object;
use super::{Hex, Output, Reply, header};
use prost::Message;
use proto::etcdserverpb::AlarmResponse;

impl Reply for AlarmResponse {
    fn simple(&self, out: &mut Output) {
        for alarm in &self.alarms {
            let name = alarm.alarm().as_str_name();
            out.line(format!("memberID:{} alarm:{name} ", alarm.member_id));
        }
    }

    fn json(&self, _: Hex) -> String {
        let alarms = self.alarms.iter().map(|alarm| {
            Object::new().number("memberID", alarm.member_id).number("alarm", alarm.alarm).finish()
        });
        Object::new().maybe("header", header::json(&self.header)).list("alarms", alarms).finish()
    }

    fn fields(&self, out: &mut Output) -> Option<()> {
        header::lines(&self.header, out);
        for alarm in &self.alarms {
            out.id("MemberID", alarm.member_id);
            out.field("AlarmType", alarm.alarm().as_str_name());
            out.line("");
        }
        Some(())
    }

    fn protobuf(&self) -> Result<Vec<u8>, String> {
        Ok(self.encode_to_vec())
    }
}
