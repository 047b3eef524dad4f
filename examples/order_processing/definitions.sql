-- The two workflows. Both take {"order_id": …, "carrier": …} and add each state's result to it.

-- OrderWorkflow: validate, pay, update the inventory, ship. A minute for each attempt; up to
-- five attempts, 1, 2, 4 and 8 seconds apart.
--
-- A workflow of this kind could just fail. But a carrier that does not come would then leave an
-- order paid for, its goods taken, and nobody to care. So the two steps that bind somebody name
-- what undoes them, and OnError leads through that; nothing else is different.
SELECT workflow.register('OrderWorkflow', $asl${
	"Comment": "Processes an order",
	"Defaults": {
		"StartToCloseSeconds": 60,
		"Retry": [
			{"ErrorEquals": ["InvalidOrderError", "OutOfStockError", "PaymentDeclinedError"],
				"MaxAttempts": 0},
			{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "BackoffRate": 2.0,
				"MaxDelaySeconds": 60, "MaximumAttempts": 5}
		],
		"ResultPath": "$.{State}"
	},
	"StartAt": "ValidateOrder",
	"States": {
		"ValidateOrder": {"Type": "Task", "Resource": "ValidateOrder", "Next": "ProcessPayment"},
		"ProcessPayment": {"Type": "Task", "Resource": "ProcessPayment",
			"Compensate": "RefundPayment", "Next": "UpdateInventory"},
		"UpdateInventory": {"Type": "Task", "Resource": "UpdateInventory",
			"Compensate": "RestoreInventory", "Next": "ArrangeShipping"},
		"ArrangeShipping": {"Type": "Task", "Resource": "ArrangeShipping",
			"Parameters": {"order_id.$": "$.order_id", "carrier.$": "$.carrier"}, "End": true},

		"Undo": {"Type": "Compensate", "Next": "CancelOrder"},
		"CancelOrder": {"Type": "Task", "Resource": "CancelOrder",
			"Parameters": {"order_id.$": "$.order_id", "public_error.$": "$$.Execution.Error.Error",
				"failure.$": "$$.Execution.Error"},
			"Next": "Failed"},
		"Failed": {"Type": "Fail", "ErrorPath": "$$.Execution.Error.Error",
			"CausePath": "$$.Execution.Error.Cause"}
	},
	"OnError": "Undo",
	"OnCancel": "Undo",
	"OnTimeout": "Undo"
}$asl$);

-- OrderSaga: reserve, pay, update the inventory, ship. Each step names the one that undoes it.
-- When one fails, those that completed are undone, last first. The customer is told that the
-- order could not be processed; why, stays with us.
SELECT workflow.register('OrderSaga', $asl${
	"Comment": "Processes an order, all or nothing",
	"Defaults": {
		"StartToCloseSeconds": 60,
		"Retry": [
			{"ErrorEquals": ["InvalidOrderError", "OutOfStockError", "PaymentDeclinedError"],
				"MaxAttempts": 0},
			{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "BackoffRate": 2.0,
				"MaxDelaySeconds": 60, "MaximumAttempts": 5}
		],
		"ResultPath": "$.{State}"
	},
	"StartAt": "ReserveInventory",
	"States": {
		"ReserveInventory": {"Type": "Task", "Resource": "ReserveInventory",
			"Compensate": "ReleaseInventoryReservation", "Next": "ProcessPayment"},
		"ProcessPayment": {"Type": "Task", "Resource": "ProcessPayment",
			"Compensate": "RefundPayment", "Next": "UpdateInventory"},
		"UpdateInventory": {"Type": "Task", "Resource": "UpdateInventory",
			"Compensate": "RestoreInventory", "Next": "ArrangeShipping"},
		"ArrangeShipping": {"Type": "Task", "Resource": "ArrangeShipping",
			"Parameters": {"order_id.$": "$.order_id", "carrier.$": "$.carrier"},
			"Compensate": "CancelShipping", "End": true},

		"Undo": {"Type": "Compensate", "Next": "CancelOrder"},
		"CancelOrder": {"Type": "Task", "Resource": "CancelOrder",
			"Parameters": {"order_id.$": "$.order_id", "public_error": "OrderProcessingFailed",
				"failure.$": "$$.Execution.Error"},
			"Next": "Failed"},
		"Failed": {"Type": "Fail", "ErrorPath": "$$.Execution.Error.Error",
			"CausePath": "$$.Execution.Error.Cause"}
	},
	"OnError": "Undo",
	"OnCancel": "Undo",
	"OnTimeout": "Undo",
	"Public": {"Code": "OrderProcessingFailed", "Message": "We could not process your order."}
}$asl$);
